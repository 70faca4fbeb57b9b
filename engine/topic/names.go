package topic

import (
	"math/bits"
	"unsafe"

	"eventstreamcore/engine/event"
)

// names are the patterns without wildcards: a hash table of which a hit reads
// two places, a slot and the name, where the runtime's map reads four. Its
// hash has no secret, for only the operator's patterns lie in it: whoever sends
// topics that collide finds chains no longer than those patterns made.
type names struct {
	slots []slot // a power of two of them, at most two thirds taken
	text  []byte // all names, one behind the other
}

// slot is 16 bytes, so that none lies on two cache lines.
type slot struct {
	at       uint64 // of the name in text
	hash     uint32
	length   uint16 // of the name; 0: the slot is free
	priority event.Priority
}

func newNames(patterns map[string]event.Priority) names {
	n := names{slots: make([]slot, 1<<bits.Len(uint(len(patterns)*3/2)))}
	mask := uint32(len(n.slots) - 1)
	for name, p := range patterns {
		h := hash([]byte(name))
		i := h & mask
		for n.slots[i].length != 0 {
			i = (i + 1) & mask
		}
		n.slots[i] = slot{at: uint64(len(n.text)), hash: h, length: uint16(len(name)), priority: p}
		n.text = append(n.text, name...)
	}
	return n
}

// find ends at the first free slot, of which there is always one.
func (n *names) find(topic []byte) (event.Priority, bool) {
	h := hash(topic)
	mask := uint32(len(n.slots) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		s := &n.slots[i]
		if s.length == 0 {
			return 0, false
		}
		if s.hash == h && int(s.length) == len(topic) && same(unsafe.Pointer(&n.text[s.at]), topic) {
			return s.priority, true
		}
	}
}

// hash mixes word after word by the two halves of a product, as wyhash does;
// the last word may overlap the one before.
func hash(b []byte) uint32 {
	const key = 0x9E3779B97F4A7C15 // 2^64 over the golden ratio
	p, n := unsafe.Pointer(unsafe.SliceData(b)), len(b)
	h := uint64(n) * key
	if n < word {
		for i := range n {
			h = h<<8 ^ h>>56 ^ uint64(b[i])
		}
	} else {
		for i := 0; i < n-word; i += word {
			high, low := bits.Mul64(h^*(*uint64)(unsafe.Add(p, i)), key)
			h = high ^ low
		}
		h ^= *(*uint64)(unsafe.Add(p, n-word))
	}
	high, low := bits.Mul64(h, key)
	return uint32(high ^ low)
}

const word = 8 // bytes

// same compares the bytes at a with b, by words if there is one: a call to the
// runtime's comparison would cost as much as the rest of a Memo.
func same(a unsafe.Pointer, b []byte) bool {
	p, n := unsafe.Pointer(unsafe.SliceData(b)), len(b)
	return n >= word && sameWords(a, p, n) || n < word && sameBytes(a, p, n)
}

// sameWords compares n bytes, a word or more, of which the last may overlap the
// one before.
func sameWords(a, b unsafe.Pointer, n int) bool {
	for i := 0; i < n-word; i += word {
		if *(*uint64)(unsafe.Add(a, i)) != *(*uint64)(unsafe.Add(b, i)) {
			return false
		}
	}
	return *(*uint64)(unsafe.Add(a, n-word)) == *(*uint64)(unsafe.Add(b, n-word))
}

// sameBytes compares less than a word.
func sameBytes(a, b unsafe.Pointer, n int) bool {
	if n >= 4 {
		return *(*uint32)(a) == *(*uint32)(b) && *(*uint32)(unsafe.Add(a, n-4)) == *(*uint32)(unsafe.Add(b, n-4))
	}
	for i := range n {
		if *(*byte)(unsafe.Add(a, i)) != *(*byte)(unsafe.Add(b, i)) {
			return false
		}
	}
	return true
}
