package admin

// usage is what the operating system says of this process; zero where it is not
// asked (only on Linux it is).
type usage struct {
	Resident    int     `json:"resident_bytes"`
	CPUSeconds  float64 `json:"cpu_s"`
	Descriptors int     `json:"descriptors"`
	Limit       uint64  `json:"descriptors_max"`
	Threads     int     `json:"threads"`

	tasks []task // those of the engine, in the order of its plan
}

// task is one thread, as the kernel accounts for it.
type task struct {
	cpuSeconds  float64 // in steps of 10 ms
	voluntary   uint64  // switches: it slept
	involuntary uint64  // switches: another was given its CPU
}
