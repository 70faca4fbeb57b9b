package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"eventstreamcore/engine/admin"
	"eventstreamcore/engine/event"
)

// adminDefault is where the README has the admin port.
const adminDefault = "127.0.0.1:9100"

type tailFlags struct {
	admin, tokenFile, topic, priority string
	json                              bool
	count                             int // events to show; 0: until the end
	cluster                           clusterTail
}

func newTailCommand() *cobra.Command {
	var f tailFlags
	c := &cobra.Command{
		Use:   "tail --admin HOST:PORT",
		Short: "Follow the events that an engine processes",
		Long: `Follow the events that an engine processes, from now on, through its admin port
(esc serve --admin HOST:PORT). Each is a line: when received, priority, id,
topic and quoted payload. Who reads too slowly loses events; how
many by now goes to stderr.

With --cluster it follows what a majority of a cluster's nodes has on its disks
(--dir, or --client and --certs, say where): partition by partition, from now or
from a record on, by any node or by one. Nothing is lost there, however slowly it
is read.

Exit codes: 0 the engine has stopped, or --count events were shown, 2 usage, 3 the
admin port or the cluster was not there or refused, 130 interrupted.`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if f.count < 0 {
				return usage("--count %d: use 0 or more", f.count)
			}
			if f.cluster.on {
				return tailCluster(c.Context(), c.OutOrStdout(), c.ErrOrStderr(), f)
			}
			for _, name := range clusterAlone {
				if c.Flags().Changed(name) {
					return usage("--%s without --cluster: an engine's own events are followed from now on", name)
				}
			}
			return tail(c.Context(), c.OutOrStdout(), c.ErrOrStderr(), f)
		},
	}
	c.Flags().StringVar(&f.admin, "admin", adminDefault, "address of the admin port, HOST:PORT")
	c.Flags().StringVar(&f.tokenFile, "admin-token-file", "", "file that holds the admin port's token; without it the environment's ESC_ADMIN_TOKEN")
	c.Flags().StringVar(&f.topic, "topic", "#", "only topics that match the pattern: + is any one level, # any number at the end")
	c.Flags().StringVar(&f.priority, "priority", event.Batch.String(), "only events of this priority or a higher one")
	c.Flags().BoolVar(&f.json, "json", false, "print the lines of JSON that the port sends")
	c.Flags().IntVar(&f.count, "count", 0, "end after so many events; 0 goes on")
	c.Flags().BoolVar(&f.cluster.on, "cluster", false, "follow a cluster instead")
	c.Flags().StringVar(&f.cluster.node, "node", "", "read this node's replicas; empty: any node's")
	c.Flags().IntVar(&f.cluster.partition, "partition", -1, "follow this partition alone; -1 is all")
	c.Flags().Uint64Var(&f.cluster.from, "from", 0, "begin with this record of each partition, 1 being the first; 0 is now")
	f.cluster.whereabouts.flags(c)
	return c
}

// clusterAlone are the flags that mean nothing without --cluster.
var clusterAlone = []string{"from", "partition", "node", "dir", "client", "certs"}

func tail(ctx context.Context, out, messages io.Writer, f tailFlags) error {
	if _, err := event.ParsePriority(f.priority); err != nil {
		return exit(exitUsage, err)
	}
	if _, _, err := net.SplitHostPort(f.admin); err != nil {
		return usage("--admin %q: write HOST:PORT", f.admin)
	}
	body, err := f.open(ctx)
	if err != nil {
		return err
	}
	defer body.Close()
	_, err = f.show(out, messages, body)
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
	token, err := f.token()
	if err != nil {
		return nil, exit(exitUsage, err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := http.DefaultClient.Do(request)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil, fmt.Errorf("nothing listens on %s: start it with esc serve --admin %s", f.admin, f.admin)
	}
	if err != nil {
		return nil, fmt.Errorf("admin port %s: %w", f.admin, err)
	}
	if answer.StatusCode != http.StatusOK {
		why, _ := io.ReadAll(io.LimitReader(answer.Body, 1<<10))
		answer.Body.Close()
		err := fmt.Errorf("admin port %s: %s: %q", f.admin, answer.Status, strings.TrimSpace(string(why)))
		if answer.StatusCode == http.StatusBadRequest {
			return nil, exit(exitUsage, err)
		}
		return nil, err
	}
	return answer.Body, nil
}

// token is what the admin port asks for, "" if nobody gave one.
func (f tailFlags) token() (string, error) {
	if f.tokenFile == "" {
		return os.Getenv("ESC_ADMIN_TOKEN"), nil
	}
	token, err := os.ReadFile(f.tokenFile)
	if err != nil {
		return "", fmt.Errorf("--admin-token-file: %w", err)
	}
	return strings.TrimSpace(string(token)), nil
}

// followedTime is how a line says when its event was received.
const followedTime = "2006-01-02T15:04:05.000000Z07:00"

// show prints the stream until it ends, or until enough was shown, and says how
// many events that were. What an event holds must not steer a terminal.
func (f tailFlags) show(out, messages io.Writer, stream io.Reader) (n int, err error) {
	decoder := json.NewDecoder(stream)
	for f.count == 0 || n < f.count {
		var raw json.RawMessage
		var line admin.Followed
		err := decoder.Decode(&raw)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			fmt.Fprintln(messages, "esc: the server has ended")
			return n, nil
		}
		if err == nil {
			err = json.Unmarshal(raw, &line)
		}
		if err != nil {
			return n, err
		}
		if line.Lost > 0 {
			fmt.Fprintf(messages, "esc: %d events lost so far: this reader is too slow\n", line.Lost)
			continue
		}
		n++
		if _, err := fmt.Fprintln(out, f.line(raw, &line)); err != nil {
			return n, err
		}
	}
	return n, nil
}

// line is an event's: time, priority, id, topic and quoted payload.
func (f tailFlags) line(raw []byte, e *admin.Followed) string {
	if f.json {
		return string(raw)
	}
	payload := e.Payload
	if len(e.Bytes) > 0 {
		payload = string(e.Bytes)
	}
	return fmt.Sprintf("%s %s %s %s %q", e.Received.Format(followedTime), e.Priority, e.ID, printable(e.Topic), payload)
}

// printable is the topic as it is, or quoted if it could be mistaken.
func printable(topic string) string {
	quoted := strconv.Quote(topic)
	if quoted[1:len(quoted)-1] == topic && !strings.ContainsRune(topic, ' ') {
		return topic
	}
	return quoted
}
