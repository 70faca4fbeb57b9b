package workloads

func tcp(*Bench) []Cell { return nil }
