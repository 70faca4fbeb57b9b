package topology

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
)

// Matrix is what it costs to move a cache line one way between CPUs, in
// nanoseconds; 0 is not measured.
type Matrix struct {
	CPUs List        `json:"cpus"`
	Ns   [][]float64 `json:"ns"` // Ns[i][j] from CPUs[i] to CPUs[j]
}

// NewMatrix is a matrix of which nothing is measured.
func NewMatrix(cpus List) Matrix {
	m := Matrix{CPUs: slices.Clone(cpus), Ns: make([][]float64, len(cpus))}
	for i := range m.Ns {
		m.Ns[i] = make([]float64, len(cpus))
	}
	return m
}

// At is the cost from CPU a to CPU b; 0 where it was not measured.
func (m Matrix) At(a, b int) float64 {
	i, hasA := slices.BinarySearch(m.CPUs, a)
	j, hasB := slices.BinarySearch(m.CPUs, b)
	if !hasA || !hasB {
		return 0
	}
	return m.Ns[i][j]
}

// Set notes the cost between a and b, which must be in CPUs, both ways.
func (m Matrix) Set(a, b int, ns float64) {
	i, _ := slices.BinarySearch(m.CPUs, a)
	j, _ := slices.BinarySearch(m.CPUs, b)
	m.Ns[i][j], m.Ns[j][i] = ns, ns
}

// Summary is what the pairs of one relation cost.
type Summary struct {
	Relation Relation `json:"relation"`
	Pairs    int      `json:"pairs"` // measured ones
	Least    float64  `json:"least"` // ns
	Median   float64  `json:"median"`
	Most     float64  `json:"most"`
}

// Summarise groups the measured pairs by relation, the nearest first.
func (m Matrix) Summarise(t *Topology) []Summary {
	places := t.Places()
	var byRelation [Relations][]float64
	for i, a := range m.CPUs {
		for j, b := range m.CPUs[:i] {
			if ns := m.Ns[i][j]; ns > 0 {
				r := places[a].To(places[b])
				byRelation[r] = append(byRelation[r], ns)
			}
		}
	}
	list := []Summary{}
	for r, costs := range byRelation {
		if len(costs) == 0 {
			continue
		}
		slices.Sort(costs)
		list = append(list, Summary{Relation: Relation(r), Pairs: len(costs), Least: costs[0], Median: costs[len(costs)/2], Most: costs[len(costs)-1]})
	}
	return list
}

// WriteCSV writes the matrix with the CPUs' numbers in the first row and the
// first column; what was not measured is empty.
func (m Matrix) WriteCSV(to io.Writer) error {
	w := csv.NewWriter(to)
	row := []string{"cpu"}
	for _, c := range m.CPUs {
		row = append(row, strconv.Itoa(c))
	}
	rows := [][]string{row}
	for i, c := range m.CPUs {
		row := []string{strconv.Itoa(c)}
		for _, ns := range m.Ns[i] {
			if ns > 0 {
				row = append(row, strconv.FormatFloat(ns, 'f', 2, 64))
			} else {
				row = append(row, "")
			}
		}
		rows = append(rows, row)
	}
	return w.WriteAll(rows)
}

// ReadCSV reads what WriteCSV wrote. Errors name the row and the column.
func ReadCSV(from io.Reader) (Matrix, error) {
	rows, err := csv.NewReader(from).ReadAll()
	if err != nil {
		return Matrix{}, fmt.Errorf("matrix: %w", err)
	}
	if len(rows) < 2 || rows[0][0] != "cpu" || len(rows) != len(rows[0]) {
		return Matrix{}, fmt.Errorf("matrix: want a first row cpu,N,N,.. and as many rows after it, have %d rows", len(rows))
	}
	cpus := List{}
	for column, text := range rows[0][1:] {
		c, err := parseNumber(text)
		if err != nil || len(cpus) > 0 && c <= cpus[len(cpus)-1] || rows[column+1][0] != text {
			return Matrix{}, fmt.Errorf("matrix: column %d: CPU %.20q: numbers ascend, and are the same in the first row and column", column+2, text)
		}
		cpus = append(cpus, c)
	}
	m := NewMatrix(cpus)
	for i, row := range rows[1:] {
		for j, text := range row[1:] {
			if text == "" {
				continue
			}
			ns, err := strconv.ParseFloat(text, 64)
			if err != nil || !(ns >= 0) || math.IsInf(ns, 0) {
				return Matrix{}, fmt.Errorf("matrix: row %d, column %d: %.20q is no number of nanoseconds", i+2, j+2, text)
			}
			m.Ns[i][j] = ns
		}
	}
	return m, nil
}
