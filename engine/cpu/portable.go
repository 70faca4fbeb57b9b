package cpu

// addChainPortable is the twin of the assembly: the tests hold both equal.
func addChainPortable(n uint64) (sum uint64) {
	for range n * 64 {
		sum++
	}
	return sum
}
