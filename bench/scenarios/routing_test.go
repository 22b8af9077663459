package scenarios

import (
	"testing"

	"github.com/redeliver/redeliver/bench/contract"
)

// The raw loop with transactions has as many copies in each as the pipeline's came to last, and the one beside it as many as the pipeline's may have.
func TestTheRawTransactionsAreOfEqualSize(t *testing.T) {
	cluster, _ := onFake(t)
	one := routing.Cases(0.001)[0]
	group := 'a'
	wantBatches := func(equal, large int) {
		t.Helper()
		for contender, want := range map[string]int{rawTxCopy: equal, rawLargeCopy: large, rawCopy: 0, redeliverOnce: 0} {
			task := one.Task
			task.Group = string(group)
			group++
			if _, err := one.Round(t.Context(), cluster, contender, &task); err != nil || task.Batch != want {
				t.Errorf("%s: got transactions of %d, %v, want %d", contender, task.Batch, err, want)
			}
		}
	}
	wantBatches(largeTransaction, largeTransaction) // nothing is known yet
	one.Learn(redeliverOnce, contract.Result{Figures: map[string]float64{copiesATransaction: 2740.5}})
	one.Learn(rawTxCopy, contract.Result{Figures: map[string]float64{copiesATransaction: 100}})
	one.Learn(redeliverOnce, contract.Result{}) // too few for a transaction
	wantBatches(2740, largeTransaction)
}
