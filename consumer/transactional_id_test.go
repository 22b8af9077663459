package consumer

import "testing"

// TestMembersOfTwoGroupsHaveNoTransactionalIDInCommon: with one they would fence each other, for ever.
func TestMembersOfTwoGroupsHaveNoTransactionalIDInCommon(t *testing.T) {
	seen := make(map[string][2]string)
	for _, member := range [][2]string{{"a", "b-c"}, {"a-b", "c"}, {"a", "b%2Dc"}, {"a", "b%c"}, {"a-b%2Dc", "d"}, {"a", "b"}} {
		c := smallest()
		c.Name, c.Group, c.InstanceID, c.Delivery = "p", member[0], member[1], ExactlyOnceRouting
		p, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		if other, taken := seen[p.transactor.id]; taken {
			t.Errorf("group %q, instance %q and group %q, instance %q have the transactional id %s", member[0], member[1], other[0], other[1], p.transactor.id)
		}
		seen[p.transactor.id] = member
		equal(t, "the id that has to be allowed", TransactionalID(member[0], member[1]), p.transactor.id)
	}
	equal(t, "the id of an instance without a hyphen, which stays", TransactionalID("a-b", "c1"), "redeliver-a-b-c1")
	equal(t, "the id of one with a hyphen", TransactionalID("a", "b-c"), "redeliver-a-b%2Dc")
}
