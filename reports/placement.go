package reports

import (
	"fmt"

	"k8s.io/utils/cpuset"

	"eventstreamcore/reports/record"
)

// readBack is where the rows' threads and slabs were found, each place once.
func readBack(rows []record.Row) (found []string) {
	seen := map[string]bool{}
	note := func(text string) {
		if !seen[text] {
			seen[text], found = true, append(found, text)
		}
	}
	for _, r := range rows {
		for _, p := range r.Placed {
			if p.Ran != nil {
				note(fmt.Sprintf("%s allowed %s, ran on %d", p.Role, cpuset.New(p.Allowed...), *p.Ran))
			}
		}
	}
	for _, r := range rows {
		for _, s := range r.Slabs {
			note(slabText(s))
		}
	}
	return found
}

func slabText(s record.Slab) string {
	text := s.Name
	for i, on := range s.Pages {
		where := fmt.Sprintf("on node %d", on.Node)
		if on.Node < 0 {
			where = "untouched"
		}
		text += fmt.Sprintf("%s %d pages %s", []string{":", ","}[min(i, 1)], on.Pages, where)
	}
	return text
}
