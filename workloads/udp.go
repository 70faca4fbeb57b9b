package workloads

// udp is tcp by datagrams, of which the kernel drops those that the engine is too
// slow for: what was sent is what was stored and what the kernel dropped.
func udp(b *Bench) (cells []Cell) {
	for _, payload := range b.Set.numbers("payload", pipelinePayload) {
		spec := sentSpec(payload)
		spec.Access.UDP = true
		cells = append(cells, b.sent(spec, params("frame", "v2"), nil)...)
	}
	return cells
}
