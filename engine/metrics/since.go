package metrics

// Since is what was recorded after the older snapshot of the same histogram was
// taken. Its Max is the upper bound of the highest bucket that was recorded in,
// for the largest value itself may be from before.
func (s *Snapshot) Since(older *Snapshot) *Snapshot {
	d := &Snapshot{Sum: s.Sum - min(older.Sum, s.Sum)}
	for i, n := range s.Counts {
		d.Counts[i] = n - min(older.Counts[i], n)
		d.Count += d.Counts[i]
		if d.Counts[i] > 0 {
			_, high := Bounds(i)
			d.Max = min(high, s.Max)
		}
	}
	return d
}

// Within is how many of the values were at most ns, to the width of a bucket:
// those that share a bucket with a larger value are not counted.
func (s *Snapshot) Within(ns int64) (n uint64) {
	for i, count := range s.Counts {
		if _, high := Bounds(i); high > ns {
			break
		}
		n += count
	}
	return n
}
