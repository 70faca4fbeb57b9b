package store

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"eventstreamcore/engine/event"
)

// ids are the sequences that can be read from d, and how many were lost.
func ids(d *simDisk) (got []uint64, lost uint64, err error) {
	r := newReader(d)
	if err := r.SeekSequence(0); err != nil {
		return nil, 0, err
	}
	for r.Next() {
		got = append(got, r.Entry().Sequence)
	}
	return got, r.Lost, r.Err()
}

// mended repairs d and checks that it can be read, opened and appended to, and
// holds all of before but what kept refuses.
func mended(r *rig, d *simDisk, before []uint64, kept func(uint64) bool) error {
	done, err := repair(d, 0)
	if err != nil {
		return err
	}
	if len(done) == 0 {
		return errors.New("repair found nothing to do")
	}
	if again, err := repair(d, 0); len(again) > 0 || err != nil {
		return fmt.Errorf("a second repair did %v, %v", again, err)
	}
	want := slices.DeleteFunc(slices.Clone(before), func(id uint64) bool { return !kept(id) })
	got, _, err := ids(d)
	if err != nil || !slices.Equal(got, want) {
		return fmt.Errorf("after %v: %v, read %v, want %v", done, err, got, want)
	}
	r.disk = d
	for range 2 {
		if _, err := r.open(); err != nil {
			return err
		}
		first := r.log.next
		r.append(3)
		if err := r.log.Close(); err != nil {
			return err
		}
		want = append(want, first, first+1, first+2)
		if got, _, err = ids(d); err != nil || !slices.Equal(got, want) {
			return fmt.Errorf("after three more: %v, read %v, want %v", err, got, want)
		}
	}
	return nil
}

// TestRepairEveryGroup damages each group of a sealed log in turn. Repair takes
// out that group alone.
func TestRepairEveryGroup(t *testing.T) {
	p, err := newSpecimen(Group, true, flaws{})
	if err != nil {
		t.Fatal(err)
	}
	before, _, err := ids(p.rig.disk)
	if err != nil {
		t.Fatal(err)
	}
	for i, g := range p.groups[:len(p.groups)-1] {
		for at := g.at; at < g.end; at += 41 {
			b := slices.Clone(p.bytes)
			b[at] ^= 0x10
			d := diskOf(map[string][]byte{p.name: b})
			if err := mended(p.rig, d, before, func(id uint64) bool { return id < g.first || id > g.last }); err != nil {
				t.Fatalf("byte %d in group %d: %v", at, i, err)
			}
		}
	}
	for at := range headerUsed {
		b := slices.Clone(p.bytes)
		b[at] ^= 1
		d := diskOf(map[string][]byte{p.name: b})
		if err := mended(p.rig, d, before, func(uint64) bool { return true }); err != nil {
			t.Fatalf("byte %d of the header: %v", at, err)
		}
	}
}

// TestFirstBadByte flips bytes of every record: the damage is laid to that one.
func TestFirstBadByte(t *testing.T) {
	p, err := newSpecimen(Group, true, flaws{})
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range p.groups[:len(p.groups)-1] {
		for at := g.at; at < g.end; {
			end := g.end // the trailer's
			if r := record(p.bytes[at:]); r.Type != event.TypeTrailer {
				end = at + int64(r.Length)
			}
			for flip := at; flip < end; flip += 5 {
				b := slices.Clone(p.bytes)
				b[flip] ^= 0x20
				report, err := verify(diskOf(map[string][]byte{p.name: b}))
				if d := report.Corrupt(); err != nil || d == nil || d.At != g.at || d.Bad != at {
					t.Fatalf("byte %d of the record at %d: %+v, %v", flip, at, d, err)
				}
			}
			at += int64(padded(int(end - at)))
		}
	}
}

// TestRepairContent: a record that was damaged in memory, so that only its own
// checksum tells, can be taken out like any other.
func TestRepairContent(t *testing.T) {
	r := newRig(Group, 6)
	if _, err := r.open(); err != nil {
		t.Fatal(err)
	}
	for group := range 5 {
		r.append(3)
		if group == 2 {
			r.log.batches[r.log.gathering].buf[event.RecordSize-1] ^= 1
		}
		if err := r.commit(); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.log.Close(); err != nil {
		t.Fatal(err)
	}
	report, err := verify(r.disk)
	d := report.Corrupt()
	if err != nil || d == nil || d.First != 7 || d.Last != 9 || !errors.Is(d.Why, errContent) {
		t.Fatalf("verify: %v, %v", d, err)
	}
	before := make([]uint64, 15)
	for i := range before {
		before[i] = uint64(i + 1)
	}
	r.disk.owner = nil
	if err := mended(r, r.disk, before, func(id uint64) bool { return id < 7 || id > 9 }); err != nil {
		t.Error(err)
	}
}

// diskOf holds the files given, synced.
func diskOf(files map[string][]byte) *simDisk {
	d := newSimDisk()
	for name, b := range files {
		d.names[name] = &inode{data: b, disk: b, lent: true, fresh: map[int][][]byte{}, limbo: map[int][][]byte{}}
	}
	d.lasting = maps.Clone(d.names)
	return d
}

// newSegments is a sealed log of several segments.
func newSegments(t *testing.T) (r *rig, files map[string][]byte, names []string) {
	r = newRig(Group, 9)
	r.cfg.RetainBytes = 0
	if _, err := r.open(); err != nil {
		t.Fatal(err)
	}
	for range 40 {
		r.append(4)
		if err := r.commit(); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.log.Close(); err != nil {
		t.Fatal(err)
	}
	files = map[string][]byte{}
	for name, n := range r.disk.names {
		if _, ok := segmentFirst(name); ok {
			files[name] = n.data
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return r, files, names
}

func TestRepairSegments(t *testing.T) {
	r, files, names := newSegments(t)
	before, _, err := ids(diskOf(files))
	if err != nil || len(names) < 5 {
		t.Fatal(names, err)
	}
	first := func(i int) uint64 { n, _ := segmentFirst(names[i]); return n }
	outside := func(from, to uint64) func(uint64) bool {
		return func(id uint64) bool { return id < from || id >= to }
	}
	for name, c := range map[string]struct {
		damage func(map[string][]byte)
		kept   func(uint64) bool
	}{
		"a segment is gone": {
			func(f map[string][]byte) { delete(f, names[2]) }, outside(first(2), first(3))},
		"two segments are gone": {
			func(f map[string][]byte) { delete(f, names[1]); delete(f, names[2]) }, outside(first(1), first(3))},
		"a segment is empty": {
			func(f map[string][]byte) { f[names[2]] = nil }, outside(first(2), first(3))},
		"a segment's groups are zeros": {
			func(f map[string][]byte) { clear(f[names[2]][headerSize:]) }, outside(first(2), first(3))},
		"a segment's head and copy are bad": {
			func(f map[string][]byte) { clear(f[names[2]][:headerSize]) }, outside(first(2), first(3))},
		"a segment stands in another's place": {
			func(f map[string][]byte) { f[names[3]] = slices.Clone(f[names[1]]) }, outside(first(3), first(4))},
		"the first and the third are bad": {
			func(f map[string][]byte) { f[names[0]][headerSize+70] ^= 1; f[names[2]] = nil },
			func(id uint64) bool { return id > 4 && outside(first(2), first(3))(id) }},
	} {
		t.Run(name, func(t *testing.T) {
			broken := map[string][]byte{}
			for n, b := range files {
				broken[n] = slices.Clone(b)
			}
			c.damage(broken)
			d := diskOf(broken)
			report, err := verify(d)
			if err != nil || report.Corrupt() == nil {
				t.Fatalf("verify: %+v, %v", report, err)
			}
			if err := mended(r, d, before, c.kept); err != nil {
				t.Error(err)
			}
		})
	}
}
