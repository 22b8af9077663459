package admin

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redeliver/redeliver/consumer"
	"github.com/redeliver/redeliver/internal/experiment"
	"github.com/redeliver/redeliver/retrytopics"
)

// slower is an experiment with two variants, of which only two clusters of keys have counted anything.
func slower() *consumer.ExperimentStats {
	x := &consumer.ExperimentStats{Name: "slower", By: retrytopics.AssignByJobType, Since: noon, Variants: []consumer.VariantStats{
		{Variant: "usual", Weight: 1, JobTypes: []string{"mail"}, Failed: 7},
		{Variant: "slow", Weight: 3, JobTypes: []string{"invoice", "refund"}, Failed: 5},
	}}
	x.Variants[0].Clusters[0] = consumer.ClusterStats{Succeeded: 3, Dead: 1, Other: 1, Attempts: 14, Seconds: 12.5}
	x.Variants[0].Clusters[63] = consumer.ClusterStats{Succeeded: 1, Attempts: 2, Seconds: 9}
	x.Variants[0].Recovery = consumer.Histogram{Bounds: []float64{1, 2, 4}, Counts: []uint64{1, 0, 2, 1}}
	return x
}

// What the processes have counted comes through the API as it is: nothing is rounded, and every cluster is there, also those without counts.
func TestExperimentsAreToldWithTheirCounts(t *testing.T) {
	b := setup(t)
	b.clicks.stats.Experiment = slower()
	got, err := b.client.Experiments(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	usual := experiment.Variant{Variant: "usual", Weight: 1, JobTypes: []string{"mail"}, Failed: 7, Clusters: make([]experiment.Cluster, consumer.ExperimentClusters)}
	usual.Clusters[0] = experiment.Cluster{Succeeded: 3, Dead: 1, Other: 1, Attempts: 14, Seconds: 12.5}
	usual.Clusters[63] = experiment.Cluster{Succeeded: 1, Attempts: 2, Seconds: 9}
	usual.Recovery = []experiment.Bin{{From: 0, To: 1, Count: 1}, {From: 2, To: 4, Count: 2}, {From: 4, To: 8, Count: 1}}
	slow := experiment.Variant{Variant: "slow", Weight: 3, JobTypes: []string{"invoice", "refund"}, Failed: 5, Clusters: make([]experiment.Cluster, consumer.ExperimentClusters), Recovery: []experiment.Bin{}}
	want := []experiment.Counts{{Pipeline: "clicks", Group: "g-clicks", Experiment: "slower", By: "job_type", Since: noon, Variants: []experiment.Variant{usual, slow}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}

// The names of the fields are other programs'.
func TestTheFieldsOfExperiments(t *testing.T) {
	b := setup(t)
	b.clicks.stats.Experiment = slower()
	code, body := b.get(t, "/api/v1/experiments")
	equal(t, "status", code, http.StatusOK)
	contains(t, "body", body,
		`{"pipeline":"clicks","group":"g-clicks","experiment":"slower","by":"job_type","since":"`+noon.Format(time.RFC3339)+`","variants":[{"variant":"usual","weight":1,"job_types":["mail"],"failed":7,"clusters":[`,
		`{"succeeded":3,"dead":1,"other":1,"attempts":14,"seconds":12.5}`, `"recovery":[{"from":0,"to":1,"count":1},`)
}

func TestExperimentsWhereThereIsNone(t *testing.T) {
	b := setup(t)
	code, body := b.get(t, "/api/v1/experiments")
	equal(t, "status", code, http.StatusOK)
	equal(t, "body", strings.TrimSpace(body), "[]") // in JSON never null
	got, err := b.client.Experiments(t.Context())
	if err != nil || len(got) != 0 {
		t.Errorf("got %+v, %v; want none", got, err)
	}
}

// Of several pipelines each tells of its own experiment, in the order of the configuration; those without one tell nothing.
func TestExperimentsOfSeveralPipelines(t *testing.T) {
	b := setup(t)
	b.orders.stats.Experiment, b.clicks.stats.Experiment = slower(), slower()
	got, err := b.client.Experiments(t.Context())
	if err != nil || len(got) != 2 || got[0].Pipeline != "orders" || got[1].Pipeline != "clicks" {
		t.Errorf("got %+v, %v; want those of orders and clicks", got, err)
	}
}

// They are read by whoever may read, and by nobody else, and cannot be changed.
func TestWhoMayReadExperiments(t *testing.T) {
	b := setup(t, withUsers)
	b.orders.stats.Experiment = slower()
	for token, want := range map[string]int{operatorsToken: 200, viewersToken: 200, "": 401, "the-token-of-nobody-0123456789": 401} {
		got, err := b.client.With(token, nil).Experiments(t.Context())
		if want == http.StatusOK {
			if err != nil || len(got) != 1 {
				t.Errorf("token %q: got %d experiments, %v", token, len(got), err)
			}
			continue
		}
		var refused *RefusedError
		if !errors.As(err, &refused) || refused.Status != want || len(got) != 0 {
			t.Errorf("token %q: got %d experiments, %v; want it refused with %d", token, len(got), err, want)
		}
	}
	for method, want := range map[string]int{http.MethodPost: 405, http.MethodDelete: 405, http.MethodPut: 405} {
		r, err := http.NewRequest(method, "http://"+b.server.Addr()+"/api/v1/experiments", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+operatorsToken)
		r.Header.Set("Content-Type", "application/json")
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		equal(t, method, response.StatusCode, want)
	}
	if code, _ := b.get(t, "/api/v1/experiments/orders"); code != 401 {
		t.Errorf("a path below it: got %d", code)
	}
}
