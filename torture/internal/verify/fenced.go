package verify

// judgeFenced expects that the group's commits only went forward: one that is made after a revocation puts the next owner
// back.
func judgeFenced(h *History) Finding {
	f := Finding{Promise: "fenced"}
	f.count("%d commits went back", len(h.Back))
	for _, b := range h.Back {
		f.broken("%s", b)
	}
	return f
}
