//go:build synctests

package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/consumer"
)

// tenancy is a load of several quiet tenants beside one noisy one, in all partitions.
type tenancy struct {
	quiet     int // tenants
	perSecond int // records of each
	noisy     int // records a second of the noisy one
	before    int // records of the noisy one that stand in front of everything
	lasts     time.Duration
	config    func(*consumer.Config)
	call      func(ctx context.Context, tenant string) error // of the noisy one; nil: as the others'
}

// tenancyResult is what the quiet tenants got.
type tenancyResult struct {
	produced, handled int // of the quiet ones
	noisy             int
	p50, p99, most    time.Duration // of the quiet ones, from produced to handled
	attempts          int           // calls that were none's first
	putOff            uint64
	backlog           int64
}

func (y tenancy) run(t *testing.T) (result tenancyResult) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := setUp(t, kgo.ProducerLinger(0))
		var mu sync.Mutex
		var took []time.Duration
		cfg := consumer.Config{
			Group: "g", Topics: []string{"load"}, Tenants: &consumer.Tenants{},
			Handler: consumer.HandlerFunc(func(ctx context.Context, r *consumer.Record) error {
				tenant := r.JobHeader("tenant")
				if tenant == "noisy" && y.call != nil {
					if err := y.call(ctx, tenant); err != nil {
						return err
					}
				} else {
					time.Sleep(contestWork/2 + rand.N(contestWork)) // so that calls do not end all at once
				}
				mu.Lock()
				defer mu.Unlock()
				if r.Attempt() > 1 {
					result.attempts++
				}
				if tenant == "noisy" {
					result.noisy++
					return nil
				}
				at, _ := strconv.ParseInt(string(r.Value), 10, 64)
				took = append(took, time.Since(time.Unix(0, at)))
				return nil
			}),
		}
		if y.config != nil {
			y.config(&cfg)
		}
		n := 0
		rnd := rand.New(rand.NewPCG(1, 2))
		record := func(tenant string) *kgo.Record {
			n++
			return &kgo.Record{
				Topic: "load", Partition: int32(rnd.IntN(contestParts)), Key: fmt.Append(nil, "key-", n), Value: strconv.AppendInt(nil, time.Now().UnixNano(), 10),
				Headers: []kgo.RecordHeader{{Key: "redeliver-tenant", Value: []byte(tenant)}},
			}
		}
		many := func(tenant string, n int) (rs []*kgo.Record) {
			for range n {
				rs = append(rs, record(tenant))
			}
			return rs
		}
		p, stop := s.start(cfg)
		for range 50 { // everybody is known
			for i := range y.quiet {
				s.write(record(fmt.Sprint("quiet-", i)))
			}
			time.Sleep(20 * time.Millisecond)
		}
		time.Sleep(5 * time.Second)
		mu.Lock()
		took = nil
		mu.Unlock()
		if y.before > 0 {
			s.write(many("noisy", y.before)...)
		}
		const step = 5 * time.Millisecond
		owed := make([]float64, y.quiet+1) // of each tenant, so many records; they do not come all at once
		for i := range owed {
			owed[i] = rnd.Float64()
		}
		for began := time.Now(); time.Since(began) < y.lasts; time.Sleep(step) {
			var batch []*kgo.Record
			for i := range y.quiet {
				for owed[i] += float64(y.perSecond) * step.Seconds(); owed[i] >= 1; owed[i]-- {
					batch = append(batch, record(fmt.Sprint("quiet-", i)))
					result.produced++
				}
			}
			for owed[y.quiet] += float64(y.noisy) * step.Seconds(); owed[y.quiet] >= 1; owed[y.quiet]-- {
				batch = append(batch, record("noisy"))
			}
			rnd.Shuffle(len(batch), func(i, j int) { batch[i], batch[j] = batch[j], batch[i] })
			if len(batch) > 0 {
				s.write(batch...)
			}
		}
		time.Sleep(2 * contestWork)
		stats := p.Stats()
		for _, ts := range stats.Tenants {
			result.putOff += ts.PutOff
		}
		for _, topic := range stats.Topics {
			result.backlog += topic.Backlog
		}
		mu.Lock()
		result.handled = len(took)
		slices.Sort(took)
		if len(took) > 0 {
			result.p50, result.p99, result.most = took[len(took)/2], took[len(took)*99/100], took[len(took)-1]
		}
		mu.Unlock()
		stop()
	})
	t.Logf("%+v", result)
	return result
}

// compared runs a load with and without its noisy tenant, and expects the others to lose less than ten percent.
func compared(t *testing.T, y tenancy) (beside tenancyResult) {
	t.Helper()
	quiet := y
	quiet.noisy, quiet.before = 0, 0
	alone := quiet.run(t)
	beside = y.run(t)
	if share := float64(beside.handled) / float64(alone.handled); share < keep {
		t.Errorf("isolated: the others keep %.1f %% of their throughput", 100*share)
	}
	if slower := float64(beside.p99) / float64(alone.p99); slower > 2-keep {
		t.Errorf("isolated: the others' p99 is %v, %v without the noisy tenant: %.0f %% more", beside.p99, alone.p99, 100*(slower-1))
	}
	return beside
}

// A tenant with a hundred times the load of each other one, and more than the slots can do, in all partitions: the others do not
// notice, and the noisy one gets all that they leave.
func TestANoisyTenantTakesNothingFromTheOthers(t *testing.T) {
	y := tenancy{quiet: 10, perSecond: 20, noisy: 2000, lasts: 40 * time.Second}
	got := compared(t, y)
	slots := 64 / contestWork.Seconds()
	left := (slots - float64(y.quiet*y.perSecond)) * y.lasts.Seconds()
	t.Logf("the noisy tenant had %d calls, %.0f %% of what the others leave", got.noisy, 100*float64(got.noisy)/left)
	if float64(got.noisy) < 0.9*left {
		t.Errorf("work conserving: the noisy tenant had %d calls of the %.0f that the others leave", got.noisy, left)
	}
	if got.attempts > 0 {
		t.Errorf("honest-attempts: %d records were called as if they had failed", got.attempts)
	}
}
