package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
)

// problem is one of `dlq stats -o json`.
type problem struct {
	Fingerprint string `json:"fingerprint"`
	Class       string `json:"class"`
	Entries     int    `json:"entries"`
	Example     string `json:"example"`
}

// stats are those of the one queue.
type stats struct {
	Entries  int       `json:"entries"`
	Problems []problem `json:"problems"`
}

func (s *stage) stats(ctx context.Context) (all stats, err error) {
	text, err := s.quietly(ctx, "redeliver dlq stats -o jsonl")
	if err == nil {
		err = json.Unmarshal([]byte(text), &all)
	}
	return all, err
}

// dead waits until so many dead letters are open.
func (s *stage) dead(ctx context.Context, n int) error {
	var last stats
	err := s.until(ctx, fmt.Sprintf("there are %d dead letters", n), func() (done bool, err error) {
		last, err = s.stats(ctx)
		return last.Entries == n, err
	})
	if err != nil {
		err = fmt.Errorf("%w; there are %+v", err, last)
	}
	return err
}

// story is the incident.
func (s *stage) story(ctx context.Context) error {
	s.say("# An incident, from the first dead letter to the empty queue\n\nMade by `make incident`, which runs what stands here and records it: a pipeline `orders` posts each order to a shop; what fails is tried again after 200 and after\n"+
		"500 ms and then is a dead letter. Times and ids are those of the run, on %s; who it was is called ann@desk.", s.broker(ctx))
	steps := []func(context.Context) error{s.morning, s.firstDeath, s.look, s.warehouse, s.amounts, s.rest, s.evening}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// broker says in words what it is.
func (s *stage) broker(ctx context.Context) string {
	if s.own {
		return "the embedded broker"
	}
	versions, err := kadm.NewClient(s.client).ApiVersions(ctx)
	if err != nil {
		return "a cluster of brokers"
	}
	for _, v := range versions {
		return "Apache Kafka " + strings.TrimPrefix(v.VersionGuess(), "v")
	}
	return "a cluster of brokers"
}

func (s *stage) morning(ctx context.Context) error {
	s.say("## All is well")
	if err := s.sell(ctx, 400, false); err != nil {
		return err
	}
	if err := s.until(ctx, "the shop has taken the orders", func() (bool, error) { return s.taken.Load() >= 400, nil }); err != nil {
		return err
	}
	s.say("400 orders came, and the shop took them all.")
	_, err := s.run(ctx, 0, "redeliver dlq stats")
	return err
}

func (s *stage) firstDeath(ctx context.Context) error {
	s.say("## The first dead letter")
	s.say("Two things happen at once: a release of the web shop writes some amounts as text, and a warehouse stops answering. Somebody has `dlq tail` open.")
	s.away.Store(true)
	if err := s.sell(ctx, 400, true); err != nil {
		return err
	}
	if err := s.until(ctx, "there is a dead letter", func() (bool, error) { all, err := s.stats(ctx); return all.Entries >= 3, err }); err != nil {
		return err
	}
	_, err := s.run(ctx, 0, "redeliver dlq tail --since 10m --limit 3")
	return err
}

func (s *stage) look(ctx context.Context) error {
	// Every tenth order has a text, every eighth is of the warehouse: those that are both die of the text.
	if err := s.dead(ctx, 80); err != nil {
		return err
	}
	s.say("## What is it?")
	s.say("80 dead letters read as two problems, though every message has an id, a time or a trace in it. Each comes with the command that replays just these.")
	if _, err := s.run(ctx, 0, "redeliver dlq stats"); err != nil {
		return err
	}
	amounts, err := s.problem(ctx, "validation")
	if err != nil {
		return err
	}
	s.say("One of them, with its attempts:")
	_, err = s.run(ctx, 0, "redeliver dlq show "+amounts.Example)
	return err
}

func (s *stage) problem(ctx context.Context, class string) (problem, error) {
	all, err := s.stats(ctx)
	for _, p := range all.Problems {
		if p.Class == class {
			return p, err
		}
	}
	return problem{}, errors.Join(err, fmt.Errorf("there is no problem of class %s among %+v", class, all))
}

func (s *stage) warehouse(ctx context.Context) error {
	s.say("## The warehouse is back")
	s.say("Its dead letters go back to work, ten of them first: the rest follows only if they succeed. The first try is too early: the canaries find that out, and nothing\nelse is replayed.")
	p, err := s.problem(ctx, "transient")
	if err != nil {
		return err
	}
	if _, err := s.run(ctx, 3, "redeliver replay --fingerprint "+p.Fingerprint+" --canary 10 --yes"); err != nil {
		return err
	}
	s.away.Store(false)
	s.say("Somebody restarts the warehouse. Now:")
	_, err = s.run(ctx, 0, "redeliver replay --fingerprint "+p.Fingerprint+" --canary 10 --wait --yes")
	return err
}

func (s *stage) amounts(ctx context.Context) error {
	p, err := s.problem(ctx, "validation")
	if err != nil {
		return err
	}
	s.say("## Amounts that are text")
	s.say("The web shop is put right, but its orders of this morning are not. Those of the test robot nobody needs:")
	if _, err := s.run(ctx, 0, "redeliver dlq discard --key test-robot --why 'INC-17: test orders' --yes"); err != nil {
		return err
	}
	s.say("The others are mended on their way back; the dead letters stay as they were. First what would happen:")
	edit := "redeliver replay --fingerprint " + p.Fingerprint + " --jq '.amount |= tonumber' --set-header mended=INC-17"
	if _, err := s.run(ctx, 0, edit+" --limit 3 --dry-run"); err != nil {
		return err
	}
	s.say("As a task that the running pipeline takes up by itself, at 20 a second:")
	start := strings.Replace(edit, "replay", "replay start", 1) + " --rate 20/s --wait --yes"
	text, err := s.run(ctx, 0, start)
	if err != nil {
		return err
	}
	id := strings.TrimSpace(text[strings.LastIndex(text, " ")+1:])
	err = s.until(ctx, "the replay is done", func() (bool, error) {
		shown, err := s.quietly(ctx, "redeliver replay show "+id)
		return strings.Contains(shown, " done\n"), err
	})
	if err != nil {
		return err
	}
	_, err = s.run(ctx, 0, "redeliver replay show "+id)
	return err
}

func (s *stage) rest(ctx context.Context) error {
	s.say("## The queue is empty")
	if err := s.dead(ctx, 0); err != nil {
		return err
	}
	if _, err := s.run(ctx, 0, "redeliver dlq stats"); err != nil {
		return err
	}
	s.say("What became of each is known still, who did it and why:")
	text, err := s.quietly(ctx, "redeliver dlq list --status discarded --limit 1 -o jsonl")
	var one struct{ ID string }
	if err == nil {
		err = json.Unmarshal([]byte(text[:strings.IndexByte(text, '\n')]), &one)
	}
	if err != nil {
		return err
	}
	_, err = s.run(ctx, 0, "redeliver dlq show "+one.ID+" | head -7")
	return err
}

func (s *stage) evening(ctx context.Context) error {
	s.say("## Tidying up")
	s.say("The records of what was dealt with stay in the dead-letter topic until they are purged, never past one that is not dealt with:")
	if _, err := s.run(ctx, 0, "redeliver dlq purge --before 0s --yes"); err != nil {
		return err
	}
	_, err := s.run(ctx, 0, "redeliver dlq list --all")
	return err
}
