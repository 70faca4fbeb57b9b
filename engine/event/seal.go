package event

import "hash/crc32"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Checksum is CRC-32C, continuing from crc.
func Checksum(crc uint32, b []byte) uint32 { return crc32.Update(crc, castagnoli, b) }

// Seal computes the content checksum. Every covered field must be in place.
func (h *Header) Seal() { h.Content = Checksum(0, h.content()) }

// content is what the content checksum covers.
func (h *Header) content() []byte { return h.slot(recordAt + h.Length)[contentAt:] }

// Seal computes the content checksums of many events. The CRC instruction takes
// three cycles and can begin one each, so three records at a time cost little
// more than one: 64 bytes took 3 ns instead of 10.
func Seal(hs []*Header) {
	if !interleaved {
		sealEach(hs)
		return
	}
	for ; len(hs) >= 3; hs = hs[3:] {
		sealThree(hs[0], hs[1], hs[2])
	}
	sealEach(hs)
}

func sealEach(hs []*Header) {
	for _, h := range hs {
		h.Seal()
	}
}
