package engine_test

import (
	"context"
	"fmt"
	"os"

	"eventstreamcore/engine"
	"eventstreamcore/engine/event"
	"eventstreamcore/engine/store"
)

// An engine in a few lines: it keeps its log in a folder, takes events from any
// goroutine, and when it is told to stop it has stored what it took.
func Example() {
	dir, err := os.MkdirTemp("", "engine")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	e, err := engine.New(engine.Default(dir))
	if err != nil {
		panic(err)
	}
	defer e.Close()

	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan error)
	go func() { ran <- e.Run(ctx) }()
	for i := range 3 {
		if err := e.Publish(ctx, "orders/new", fmt.Appendf(nil, "order %d", i), event.High); err != nil {
			panic(err)
		}
	}
	stop()
	fmt.Println("run:", <-ran)
	fmt.Println("stored:", e.Stats().Stored)

	report, err := store.Verify(dir)
	fmt.Println("verified:", report.Records, report.Sealed, err)
	// Output:
	// run: <nil>
	// stored: 3
	// verified: 3 true <nil>
}
