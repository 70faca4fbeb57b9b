//go:build race

package store

// underRace makes the longest tests shorter: the detector costs them tenfold.
const underRace = true
