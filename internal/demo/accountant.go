package demo

import "context"

// accountant adds up what the reader and the service saw. The story closes its books now and then, so that a demo that
// runs for hours does not remember every order. One goroutine at a time uses it.
type accountant struct {
	reader  *reader
	service *service
	totals  *totals
}

func newAccountant(r *reader, s *service) *accountant {
	return &accountant{reader: r, service: s, totals: newTotals()}
}

// closeBooks adds up the orders that are done and lets go of them. The engine may go on meanwhile.
func (a *accountant) closeBooks(ctx context.Context) error {
	return a.settle(ctx, func(f fate) bool { return f == done })
}

// closeAll adds up all orders as they are. Nothing may go on any more.
func (a *accountant) closeAll(ctx context.Context) error {
	return a.settle(ctx, func(fate) bool { return true })
}

func (a *accountant) settle(ctx context.Context, final func(fate) bool) error {
	// First the commits and then the topics: what was written about a record before its commit is then read.
	committed, err := a.reader.committed(ctx)
	if err != nil {
		return err
	}
	if err := a.reader.catchUp(ctx); err != nil {
		return err
	}
	a.reader.mu.Lock()
	defer a.reader.mu.Unlock()
	isDiscarded := func(p place) bool { return a.reader.marked(p) == "discarded" }
	for id, l := range a.reader.lives {
		l.arrange()
		calls := a.service.callsOf(id)
		f := fateOf(l, calls, committed, isDiscarded)
		if !final(f) {
			continue
		}
		a.totals.add(id, l, calls, f)
		a.service.forget(id)
		delete(a.reader.lives, id)
	}
	return nil
}

// unknown counts the ids that the service was called for and that are neither added up nor seen in a topic.
func (a *accountant) unknown() int {
	a.reader.mu.Lock()
	defer a.reader.mu.Unlock()
	return a.service.strangers(func(id string) bool { _, seen := a.reader.lives[id]; return seen })
}
