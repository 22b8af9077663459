package classify

// maxNodes bounds how much of an error tree is read. A tree that is larger
// than this is a cycle or a directed graph with shared causes; what lies beyond
// is not looked at.
const maxNodes = 1000

// A tree is an error with all that it wraps, outermost first, joined causes in
// their order: the order in which errors.Is looks at them.
type tree []node

type node struct {
	err    error
	parent int // index of the error that wraps this one, -1 for the outermost
	leaf   bool
}

// treeOf unfolds err.
func treeOf(err error) tree {
	return make(tree, 0, 8).grow(err, -1)
}

func (t tree) grow(err error, parent int) tree {
	at := len(t)
	t = append(t, node{err: err, parent: parent})
	switch wrapper := err.(type) {
	case interface{ Unwrap() error }:
		if cause := wrapper.Unwrap(); cause != nil && len(t) < maxNodes {
			t = t.grow(cause, at)
		}
	case interface{ Unwrap() []error }:
		for _, cause := range wrapper.Unwrap() {
			if cause != nil && len(t) < maxNodes {
				t = t.grow(cause, at)
			}
		}
	}
	t[at].leaf = len(t) == at+1
	return t
}

// cause returns the index of the innermost cause under node i: the first one
// where there are several.
func (t tree) cause(i int) int {
	for !t[i].leaf {
		i++ // the first cause follows its wrapper
	}
	return i
}

// chain appends to path the errors from the outermost down to node i.
func (t tree) chain(i int, path []error) []error {
	from := len(path)
	for ; i >= 0; i = t[i].parent {
		path = append(path, t[i].err)
	}
	for a, b := from, len(path)-1; a < b; a, b = a+1, b-1 {
		path[a], path[b] = path[b], path[a]
	}
	return path
}
