package dlq

import (
	"context"
	"errors"
	"fmt"
)

// storeError is an error of the store as one of the index; nil, and one that is already, stay as they are.
func storeError(err error) error {
	if err == nil || errors.As(err, new(*indexError)) {
		return err
	}
	return &indexError{err}
}

// storeView is a view whose errors say that they are of the index, wherever they come up.
type storeView struct{ IndexView }

func (v storeView) Get(names ...string) ([][]byte, error) {
	got, err := v.IndexView.Get(names...)
	return got, storeError(err)
}

// away tells that the topics are read instead of the index, and why. What they have lost is left out then where the index keeps it, but for what
// expires, which that does no more.
func (s *survey) away(err error) {
	x := s.queue.index
	if x.Keep == 0 || !s.sel.ExpiringBefore.IsZero() {
		x.warn("%v: the topics are read", err)
		return
	}
	x.warn("%v: the topics are read, and what they have lost and only the index keeps is left out", err)
	if x.Partial != nil {
		x.Partial()
	}
}

// answered has answer go through a survey that look began: that of the index, and where this fails before something was given away, that of the topics.
func (s *survey) answered(ctx context.Context, f Filter, given *bool, answer func(*survey) error) error {
	err := answer(s)
	switch {
	case s.query == nil || !s.indexAway(ctx, err):
		return err
	case *given:
		return fmt.Errorf("%w; what came until then is not all of it: without an index (--no-index) the topics are read", err)
	}
	s.away(err)
	instead, err := s.queue.survey(ctx, s.topic, f, nil)
	if err != nil {
		return err
	}
	return answer(instead)
}
