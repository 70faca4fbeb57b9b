package main

import "fmt"

// standIn is the source of a program that stands for esc: its bench measures one row,
// at center ns but for a hundredth of a percent, and as much more as it is slowed
// down; in turns if it knows them. A file named slow in its working directory makes it wait. Its
// build is what the environment says.
func standIn(center float64, turns bool) string {
	return fmt.Sprintf(standInSource, center, turns)
}

const standInSource = `package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	center = %v
	turns  = %v
)

func flag(name string) (value string) {
	if at := slices.Index(os.Args, name); at > 0 && at+1 < len(os.Args) {
		value = os.Args[at+1]
	}
	return value
}

var (
	slower float64
	trials []string
)

func trial() {
	ns := center * (1 + slower) * (1 + float64(time.Now().UnixNano()/1000%%100)/1e6)
	t := fmt.Sprintf("{\"n\":1,\"values\":[{\"unit\":\"ns/op\",\"value\":%%v}]", ns)
	if slower > 0 {
		t += fmt.Sprintf(",\"noise\":[{\"unit\":\"slowed-by-share\",\"value\":%%v}]", slower)
	}
	trials = append(trials, t+"}")
}

func run() string {
	build := os.Getenv("BUILD")
	if build == "" {
		build = "{\"go\":\"go\"}"
	}
	args, err := json.Marshal(os.Args)
	if err != nil {
		panic(err)
	}
	fitness := ",\"fitness\":{\"verdict\":\"DEGRADED\"}"
	return "{\"schema\":1,\"seed\":" + flag("--seed") + ",\"command\":" + string(args) + ",\"build\":" + build +
		",\"host\":{\"name\":\"h\",\"cpu\":\"c\"}" + fitness + ",\"rows\":[{\"workload\":\"spsc\",\"procs\":1,\"trials\":[" + strings.Join(trials, ",") + "]}]}"
}

func main() {
	if _, err := os.Stat("slow"); err == nil {
		time.Sleep(time.Minute)
	}
	fmt.Sscan(flag("--slow-down"), &slower)
	if slices.Contains(os.Args, "--in-turns") {
		inTurns()
		return
	}
	for range 4 {
		trial()
	}
	dir := filepath.Join(flag("--out"), "latest")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		panic(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "run.json"), []byte(run()), 0o644); err != nil {
		panic(err)
	}
}

func inTurns() {
	if !turns {
		fmt.Fprintln(os.Stderr, "esc: unknown flag: --in-turns")
		os.Exit(2)
	}
	if slices.Contains(os.Args, "--list") {
		return
	}
	if slices.Contains(os.Args, "--more") {
		fmt.Println("{\"cells\":[\"more\",\"spsc\"]}")
	} else {
		fmt.Println("{\"cells\":[\"spsc\"]}")
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		switch {
		case strings.Contains(in.Text(), "open"):
			fmt.Println("{\"trials\":3}")
			continue
		case strings.Contains(in.Text(), "trial"):
			if os.Getenv("DIES") != "" {
				fmt.Fprintln(os.Stderr, "esc: no room")
				os.Exit(3)
			}
			trial()
		}
		fmt.Println("{}")
	}
	fmt.Println(run())
}
`
