package retrytopics

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

const (
	// applyPatience bounds how long Apply waits for a controller that is busy
	// and for new topics to have leaders.
	applyPatience = 30 * time.Second
	firstPause    = 20 * time.Millisecond
	longestPause  = time.Second
)

// MissingTopicsError says that topics are missing and may not be made.
type MissingTopicsError struct {
	Topics []string // each with what would be right
}

// Error implements error.
func (e *MissingTopicsError) Error() string {
	return fmt.Sprintf("topics are missing and topics.create is false: %s; make them, or allow it", strings.Join(e.Topics, "; "))
}

// Apply carries the plan out and returns when the topics can be used: every
// new partition has a leader. It waits up to 30 seconds for that.
//
// It is idempotent and may run in several members at once: what another has
// done meanwhile is checked and, where it falls short, corrected. Apply goes
// on after a failure and its error joins all of them, each naming the topic.
// A ReadOnly plan only fails, with a [*MissingTopicsError], when topics are
// missing or too small.
func (p Plan) Apply(ctx context.Context, adm *kadm.Client) error {
	if p.ReadOnly {
		if missing := p.Missing(); len(missing) > 0 {
			return &MissingTopicsError{Topics: missing}
		}
		return nil
	}
	if p.Empty() {
		return nil
	}
	a := applier{ctx: ctx, adm: adm, deadline: time.Now().Add(applyPatience)}
	actions := slices.Clone(p.Actions)
	raced := a.create(actions)
	actions = append(actions, a.recheck(raced)...)
	a.grow(actions)
	a.configure(actions)
	if err := errors.Join(a.problems...); err != nil {
		return err
	}
	return a.ready(actions)
}

type applier struct {
	ctx      context.Context
	adm      *kadm.Client
	deadline time.Time
	problems []error
}

func (a *applier) failed(action Action, err error, message string) {
	text := fmt.Sprintf("%s topic %s", action.Kind, action.Topic)
	switch action.Kind {
	case Create:
		text += fmt.Sprintf(" (%d partitions, replication %d, %s)", action.Partitions, action.Replication, configText(action.Configs))
	case Grow:
		text += fmt.Sprintf(" to %d partitions", action.Partitions)
	case Configure:
		text += " (" + configText(action.Configs) + ")"
	}
	if message != "" {
		text += ": " + message
	}
	hint := ""
	if errors.Is(err, kerr.TopicAuthorizationFailed) || errors.Is(err, kerr.ClusterAuthorizationFailed) {
		hint = "; permit it to this user, or set topics.create to false and let an operator run redeliver topics apply"
	}
	a.problems = append(a.problems, fmt.Errorf("%s: %w%s", text, err, hint))
}

// create makes the missing topics, those of one shape in one request, and
// returns the actions for topics that somebody else made meanwhile.
func (a *applier) create(actions []Action) (raced []Action) {
	for _, same := range grouped(actions, Create, func(x Action) string {
		return fmt.Sprint(x.Partitions, x.Replication, configText(x.Configs))
	}) {
		configs := map[string]*string{}
		for key, value := range same[0].Configs {
			configs[key] = kadm.StringPtr(value)
		}
		a.each(same, func(topics []string) (map[string]answer, error) {
			responses, err := a.adm.CreateTopics(a.ctx, same[0].Partitions, same[0].Replication, configs, topics...)
			answers := map[string]answer{}
			for topic, r := range responses {
				answers[topic] = answer{r.Err, r.ErrMessage}
			}
			return answers, err
		}, func(action Action, got answer) {
			if errors.Is(got.err, kerr.TopicAlreadyExists) {
				raced = append(raced, action)
				return
			}
			a.failed(action, got.err, got.message)
		})
	}
	return raced
}

// recheck compares topics that another made with what they should be.
func (a *applier) recheck(raced []Action) []Action {
	if len(raced) == 0 {
		return nil
	}
	names := topicsOf(raced)
	a.until(func() bool { ok, _ := a.visible(raced, 1); return ok })
	details, err := ListTopics(a.ctx, a.adm, names...)
	c := withTopics(details, 0)
	if err == nil {
		err = c.describe(a.ctx, a.adm, names)
	}
	if err != nil {
		a.problems = append(a.problems, fmt.Errorf("check topics %s, which another member has just made: %w", strings.Join(names, ", "), err))
		return nil
	}
	var actions []Action
	for _, r := range raced {
		actions = append(actions, c.compare(spec{r.Topic, r.Role, r.Source, r.Partitions, r.Replication, r.Configs})...)
	}
	return actions
}

func (a *applier) grow(actions []Action) {
	for _, same := range grouped(actions, Grow, func(x Action) string { return fmt.Sprint(x.Partitions) }) {
		a.each(same, func(topics []string) (map[string]answer, error) {
			responses, err := a.adm.UpdatePartitions(a.ctx, int(same[0].Partitions), topics...)
			answers := map[string]answer{}
			for topic, r := range responses {
				answers[topic] = answer{r.Err, r.ErrMessage}
			}
			return answers, err
		}, func(action Action, got answer) {
			// Refused also when somebody has just done it, or more.
			if errors.Is(got.err, kerr.InvalidPartitions) {
				if enough, _ := a.visible([]Action{action}, action.Partitions); enough {
					return
				}
			}
			a.failed(action, got.err, got.message)
		})
	}
}

func (a *applier) configure(actions []Action) {
	for _, same := range grouped(actions, Configure, func(x Action) string { return configText(x.Configs) }) {
		var configs []kadm.AlterConfig
		for _, key := range slices.Sorted(maps.Keys(same[0].Configs)) {
			configs = append(configs, kadm.AlterConfig{Op: kadm.SetConfig, Name: key, Value: kadm.StringPtr(same[0].Configs[key])})
		}
		a.each(same, func(topics []string) (map[string]answer, error) {
			responses, err := a.adm.AlterTopicConfigs(a.ctx, configs, topics...)
			answers := map[string]answer{}
			for _, r := range responses {
				answers[r.Name] = answer{r.Err, r.ErrMessage}
			}
			return answers, err
		}, func(action Action, got answer) {
			a.failed(action, got.err, got.message)
		})
	}
}

// answer is what the cluster said about one topic.
type answer struct {
	err     error
	message string
}

// each sends a request for the actions' topics, again for those that failed
// for a reason that passes, and hands every other failure to failed.
func (a *applier) each(actions []Action, send func(topics []string) (map[string]answer, error), failed func(Action, answer)) {
	left := actions
	last := map[string]answer{}
	a.until(func() bool {
		answers, err := send(topicsOf(left))
		var again []Action
		for _, action := range left {
			got, ok := answers[action.Topic]
			if !ok {
				got.err = err
				if err == nil {
					got.err = errors.New("the broker did not answer for this topic")
				}
			}
			last[action.Topic] = got
			if got.err != nil && kerr.IsRetriable(got.err) {
				again = append(again, action)
			}
		}
		left = again
		return len(left) == 0
	})
	for _, action := range actions {
		if got := last[action.Topic]; got.err != nil {
			failed(action, got)
		}
	}
}

// ready waits until the actions have taken effect: on every broker asked, the
// partitions have leaders and the settings are what they should be.
func (a *applier) ready(actions []Action) error {
	var problem error
	if a.until(func() (ok bool) {
		if ok, problem = a.visible(actions, 0); ok {
			ok, problem = a.configured(actions)
		}
		return ok
	}) {
		return nil
	}
	if problem == nil {
		problem = errors.New("not all partitions have a leader and their settings yet")
	}
	return fmt.Errorf("topics %s are made but cannot be used: %w; see the state of the brokers, and run it again",
		strings.Join(topicsOf(actions), ", "), errors.Join(a.ctx.Err(), problem))
}

// configured says whether the settings that actions change have changed.
func (a *applier) configured(actions []Action) (bool, error) {
	c := withTopics(nil, 0)
	var changed []Action
	for _, action := range actions {
		if action.Kind == Configure {
			changed = append(changed, action)
		}
	}
	if err := c.describe(a.ctx, a.adm, topicsOf(changed)); err != nil {
		return false, err
	}
	for _, action := range changed {
		for key, want := range action.Configs {
			if !satisfies(key, c.configs[action.Topic][key], want) {
				return false, nil
			}
		}
	}
	return true, nil
}

func topicsOf(actions []Action) []string {
	topics := make([]string, 0, len(actions))
	for _, action := range actions {
		topics = append(topics, action.Topic)
	}
	return topics
}

// visible says whether the topics have so many partitions, 0 meaning those of
// their actions, each with a leader.
func (a *applier) visible(actions []Action, partitions int32) (bool, error) {
	details, err := ListTopics(a.ctx, a.adm, topicsOf(actions)...)
	if err != nil {
		return false, err
	}
	for _, action := range actions {
		detail := details[action.Topic]
		if detail.Err != nil {
			return false, fmt.Errorf("topic %s: %w", action.Topic, detail.Err)
		}
		if len(detail.Partitions) < int(orDefault(partitions, action.Partitions)) {
			return false, nil
		}
		for _, p := range detail.Partitions {
			if p.Leader < 0 {
				return false, nil
			}
		}
	}
	return true, nil
}

// until repeats f with the patience of one Apply.
func (a *applier) until(f func() (done bool)) bool { return until(a.ctx, a.deadline, f) }

// until repeats f, with growing pauses, until it is done, the deadline has
// passed or the context has ended.
func until(ctx context.Context, deadline time.Time, f func() (done bool)) bool {
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		if f() {
			return true
		}
		if ctx.Err() != nil || !time.Now().Before(deadline) {
			return false
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return false
		}
	}
}

// grouped collects the actions of a kind that can share a request.
func grouped(actions []Action, kind Kind, key func(Action) string) [][]Action {
	var keys []string
	groups := map[string][]Action{}
	for _, action := range actions {
		if action.Kind != kind {
			continue
		}
		k := key(action)
		if _, ok := groups[k]; !ok {
			keys = append(keys, k)
		}
		groups[k] = append(groups[k], action)
	}
	out := make([][]Action, 0, len(keys))
	for _, k := range keys {
		out = append(out, groups[k])
	}
	return out
}
