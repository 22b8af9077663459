package consumer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// joinError says why this member cannot be in its group, and what to do, before the broker's own word for it.
type joinError struct {
	code *kerr.Error
	text string
}

func (e *joinError) Error() string { return fmt.Sprintf("%s (%s)", e.text, e.code.Message) }

func (e *joinError) Unwrap() error { return e.code }

// strangers tells who else is in the group when its members do not understand each other.
type strangers struct {
	asking atomic.Bool
	found  atomic.Pointer[string]
}

// askTime bounds the question who is in the group.
const askTime = 5 * time.Second

// joinFailed says that the group cannot be joined for now: the client tries again by itself, without an end.
func (p *Pipeline) joinFailed(err error) {
	p.faults.note("join", "", -1, p.explainJoin(err))
	if (errors.Is(err, kerr.InconsistentGroupProtocol) || errors.Is(err, kerr.GroupIDNotFound)) && p.strangers.asking.CompareAndSwap(false, true) {
		// Not from here: the client is being polled. The next time that joining fails the answer is there.
		go func() {
			defer p.strangers.asking.Store(false)
			ctx, cancel := context.WithTimeout(context.Background(), askTime)
			defer cancel()
			if described, err := p.admin.DescribeGroups(ctx, p.cfg.Group); err == nil {
				text := members(described[p.cfg.Group])
				p.strangers.found.Store(&text)
			}
		}()
	}
}

// explainJoin adds what to do to the errors that trying again does not mend.
func (p *Pipeline) explainJoin(err error) error {
	var code *kerr.Error
	if !errors.As(err, &code) {
		return err
	}
	text := ""
	switch code {
	case kerr.InconsistentGroupProtocol, kerr.GroupIDNotFound: // the latter to a member of KIP-848 whose group is a classic one
		who := "other programs"
		if found := p.strangers.found.Load(); found != nil && *found != "" {
			who = *found
		}
		text = fmt.Sprintf("the group %s has members that divide its partitions in another way, %s: stop them, or give the pipeline a group of its own", p.cfg.Group, who)
	case kerr.InvalidSessionTimeout:
		text = fmt.Sprintf("the broker does not allow a session time-out of %v: its bounds are group.min.session.timeout.ms and group.max.session.timeout.ms", p.cfg.SessionTimeout)
	case kerr.FencedInstanceID:
		text = fmt.Sprintf("another process has come with the instance id %q: every process of the group %s needs one of its own", p.cfg.InstanceID, p.cfg.Group)
	case kerr.UnreleasedInstanceID:
		text = fmt.Sprintf("another process has the instance id %q, or had it and died: this one waits until that one stops or its session is over; every process of the group %s needs one of its own", p.cfg.InstanceID, p.cfg.Group)
	case kerr.UnsupportedAssignor:
		text = `the brokers do not offer the assignor "range": add it to group.consumer.assignors`
	case kerr.GroupAuthorizationFailed:
		text = fmt.Sprintf("the user may not be in the group %s: it needs READ on it", p.cfg.Group)
	case kerr.GroupMaxSizeReached:
		text = fmt.Sprintf("the group %s has as many members as the broker allows: its bound is group.max.size", p.cfg.Group)
	default:
		return err
	}
	return &joinError{code, text}
}

// members lists who is in a group, for people: "rdkafka at 10.0.0.7 (range)".
func members(g kadm.DescribedGroup) string {
	var clients []string
	for _, m := range g.Members {
		client := fmt.Sprintf("%s at %s", m.ClientID, strings.TrimPrefix(m.ClientHost, "/"))
		if !slices.Contains(clients, client) {
			clients = append(clients, client)
		}
	}
	slices.Sort(clients)
	if more := len(clients) - 3; more > 0 {
		clients = append(clients[:3], fmt.Sprintf("%d more", more))
	}
	text := strings.Join(clients, ", ")
	if text != "" && g.Protocol != "" {
		text += " (" + g.Protocol + ")"
	}
	return text
}
