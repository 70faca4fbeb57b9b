package memory

// Bind asks for the pages of bytes, present or to come, to be on one NUMA node
// and nowhere else (mbind(2), MPOL_BIND). bytes must begin at a page. Without
// the permission, without such a node or on another system it is an error.
func Bind(bytes []byte, node int) error { return bind(bytes, node) }

// Nodes counts the pages of bytes by the NUMA node that each is found on
// (move_pages(2) without a target); a page that nobody has touched yet counts
// under -1.
func Nodes(bytes []byte) (map[int]int, error) { return nodesOf(bytes) }
