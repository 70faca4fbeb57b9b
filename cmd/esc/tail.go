package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"eventstreamcore/engine/admin"
	"eventstreamcore/engine/event"
)

type tailFlags struct {
	admin, tokenFile, topic, priority string
	json                              bool
}

func newTailCommand() *cobra.Command {
	var f tailFlags
	c := &cobra.Command{
		Use:   "tail --admin HOST:PORT",
		Short: "Follow the events that an engine processes",
		Long: `Follow the events that an engine processes, from now on, through its admin port
(esc serve --admin HOST:PORT). Each is a line: when received, priority, id,
topic and payload, the last two quoted. Who reads too slowly loses events; how
many by now goes to stderr.

Exit codes: 0 the engine has stopped, 2 usage, 3 the admin port was not there or
refused, 130 interrupted.`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			return tail(c.Context(), c.OutOrStdout(), c.ErrOrStderr(), f)
		},
	}
	c.Flags().StringVar(&f.admin, "admin", "127.0.0.1:9090", "address of the admin port, HOST:PORT")
	c.Flags().StringVar(&f.tokenFile, "admin-token-file", "", "file that holds the admin port's token")
	c.Flags().StringVar(&f.topic, "topic", "#", "only topics that match the pattern: + is any one level, # any number at the end")
	c.Flags().StringVar(&f.priority, "priority", event.Batch.String(), "only events of this priority or a higher one")
	c.Flags().BoolVar(&f.json, "json", false, "print the lines of JSON that the port sends")
	return c
}

func tail(ctx context.Context, out, messages io.Writer, f tailFlags) error {
	if _, err := event.ParsePriority(f.priority); err != nil {
		return exit(exitUsage, err)
	}
	body, err := f.open(ctx)
	if err != nil {
		return exit(exitUnmeasured, err)
	}
	defer body.Close()
	if f.json {
		_, err = io.Copy(out, body)
	} else {
		err = printFollowed(out, messages, body)
	}
	switch {
	case ctx.Err() != nil:
		return exit(exitInterrupted, errors.New("interrupted"))
	case err != nil:
		return exit(exitUnmeasured, fmt.Errorf("admin port %s: %w", f.admin, err))
	}
	return nil
}

// open asks the admin port for its stream.
func (f tailFlags) open(ctx context.Context) (io.ReadCloser, error) {
	query := url.Values{"topic": {f.topic}, "priority": {f.priority}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+f.admin+"/tail?"+query.Encode(), nil)
	if err != nil {
		return nil, fmt.Errorf("admin port %s: want HOST:PORT: %w", f.admin, err)
	}
	if f.tokenFile != "" {
		token, err := os.ReadFile(f.tokenFile)
		if err != nil {
			return nil, fmt.Errorf("--admin-token-file: %w", err)
		}
		request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("admin port %s: %w", f.admin, err)
	}
	if answer.StatusCode != http.StatusOK {
		why, _ := io.ReadAll(io.LimitReader(answer.Body, 1<<10))
		answer.Body.Close()
		return nil, fmt.Errorf("admin port %s: %s: %q", f.admin, answer.Status, strings.TrimSpace(string(why)))
	}
	return answer.Body, nil
}

// printFollowed prints the stream until it ends. Topic and payload are quoted:
// what an event holds must not steer a terminal.
func printFollowed(out, messages io.Writer, stream io.Reader) error {
	decoder := json.NewDecoder(stream)
	for {
		var line admin.Followed
		if err := decoder.Decode(&line); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if line.Lost > 0 {
			fmt.Fprintf(messages, "%d events lost so far: they came faster than they were read\n", line.Lost)
			continue
		}
		payload := line.Payload
		if len(line.Bytes) > 0 {
			payload = string(line.Bytes)
		}
		if _, err := fmt.Fprintf(out, "%s  %-8s  %s  %q  %q\n", line.Received.Format(time.RFC3339Nano), line.Priority, line.ID, line.Topic, payload); err != nil {
			return err
		}
	}
}
