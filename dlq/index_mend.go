package dlq

import (
	"context"
	"errors"
)

// ErrKeptLost is the error of a call that read what only an index kept ([Index].Keep) when the index was emptied, or had to be built anew.
var ErrKeptLost = errors.New("the index of dead letters was emptied while it was read: what only it kept is gone")

// view calls f with what is stored, where that is all of the span: the index may be built anew meanwhile, by another process too. What
// is only kept may be gone.
func (iq *indexQuery) view(ctx context.Context, part span, f func(IndexView, *indexState) error) error {
	return iq.index.view(ctx, func(v IndexView, st *indexState) error {
		if iq.keeps && st.Life != iq.life.name {
			return ErrKeptLost
		}
		if st.Topic != iq.topic.ID { // it was made again, and the index is of that one
			return &indexError{ErrIndexMoved}
		}
		if p := st.Letters[part.partition]; part.to > iq.starts[part.partition] && (p == nil || p.Next < part.to) {
			return &indexError{ErrIndexMoved}
		}
		return f(v, st)
	})
}

// mend makes ready for another try after an error of a query, and returns the error where that would not help. What is missing at the first try
// another process may have replaced; what is damaged then too is built anew.
func (iq *indexQuery) mend(ctx context.Context, err error, tries int, cleared int64) error {
	damaged := errors.Is(err, ErrIndexDamaged)
	if ctx.Err() != nil || tries == indexTries || !damaged && !errors.Is(err, ErrIndexMoved) {
		return err
	}
	if damaged && tries > 0 {
		if err := iq.index.clearDamaged(ctx, cleared, err); err != nil {
			return err
		}
	}
	return iq.again(ctx)
}

// clear forgets everything. x.mu is held.
func (x *index) clear(ctx context.Context) error {
	x.cleared.Add(1)
	if err := x.Store.Clear(ctx); err != nil {
		return &indexError{err}
	}
	return nil
}

// clearDamaged is clear after a query found the index damaged, unless that was done since it had been cleared so often.
func (x *index) clearDamaged(ctx context.Context, cleared int64, damage error) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.cleared.Load() != cleared {
		return nil
	}
	x.warn("%v: it is built anew", damage)
	return x.clear(ctx)
}
