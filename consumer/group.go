package consumer

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// groupOptions make the client a member of the group.
func (p *Pipeline) groupOptions() []kgo.Opt {
	c := &p.cfg
	opts := []kgo.Opt{kgo.ConsumerGroup(c.Group), kgo.RebalanceTimeout(c.RebalanceTimeout), kgo.WithHooks(groupErrors{p})}
	if c.GroupProtocol == NextGen {
		// By this balancer the client knows which of the coordinator's assignors to ask for.
		opts = append(opts, kgo.ServerSideBalancer(), kgo.Balancers(kgo.RangeBalancer()))
	} else {
		opts = append(opts, kgo.SessionTimeout(c.SessionTimeout), kgo.Balancers(newBalancer(c.GroupProtocol, p.topics.family, p.mayClaim)))
	}
	if c.InstanceID != "" {
		opts = append(opts, kgo.InstanceID(c.InstanceID))
	}
	return opts
}

// errNoNextGen is the end of a pipeline whose brokers do not speak its protocol. The client would join with a balancer
// that takes partitions and their retries apart.
var errNoNextGen = errors.New("the brokers do not speak the group protocol of KIP-848, group_protocol: consumer: use Apache Kafka 4.0 or newer " +
	"with the feature group.version=1, or group_protocol: classic")

// checkProtocol makes sure that the coordinator speaks the pipeline's protocol, for as long as it takes to get an answer.
func (p *Pipeline) checkProtocol(ctx context.Context) error {
	if p.cfg.GroupProtocol != NextGen {
		return nil
	}
	for {
		err := p.askNextGen(ctx)
		if err == nil || errors.Is(err, errNoNextGen) || ctx.Err() != nil {
			p.faults.clear("protocol")
			return err
		}
		p.faults.note("protocol", "", -1, err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(topicsSoon):
		}
	}
}

// askNextGen asks on behalf of a member that does not exist to leave the group, which changes nothing.
func (p *Pipeline) askNextGen(ctx context.Context) error {
	versions, err := p.admin.ApiVersions(ctx)
	if err != nil {
		return err
	}
	spoken, failed := false, error(nil)
	for _, v := range versions {
		if v.Err != nil {
			failed = v.Err
		} else if most, there := v.KeyMaxVersion(kmsg.ConsumerGroupHeartbeat.Int16()); there && most >= 1 {
			spoken = true
		}
	}
	if !spoken {
		return errors.Join(failed, errIf(failed == nil, errNoNextGen))
	}
	req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	req.Group, req.MemberID, req.MemberEpoch = p.cfg.Group, rand.Text(), -1
	resp, err := req.RequestWith(ctx, p.client)
	if err != nil {
		return err
	}
	if resp.ErrorCode == kerr.UnsupportedVersion.Code {
		return errNoNextGen
	}
	return nil
}

func errIf(is bool, err error) error {
	if is {
		return err
	}
	return nil
}

// groupErrors is the client's hook for what keeps this member out of its group. The client tries again by itself.
type groupErrors struct{ p *Pipeline }

// OnGroupManageError implements kgo.HookGroupManageError.
func (g groupErrors) OnGroupManageError(err error) {
	p := g.p
	p.joinFailed(err)
	if (errors.Is(err, kerr.FencedInstanceID) || errors.Is(err, kerr.UnreleasedInstanceID)) && !p.standby.Swap(true) {
		p.log.Error("another process has this member's instance_id: this one stands by and handles nothing until that one is gone",
			"pipeline", p.cfg.Name, "group", p.cfg.Group, "instance_id", p.cfg.InstanceID, "remedy", "give every process of the group an instance_id of its own")
	}
}

// joined notes that the group has taken this member.
func (p *Pipeline) joined() {
	p.faults.clear("join")
	if p.standby.Swap(false) {
		p.log.Info("this member's instance_id is free again: it goes on", "pipeline", p.cfg.Name, "instance_id", p.cfg.InstanceID)
	}
}

// leaveTimeout bounds how long a member waits for its group to let it go: without an answer the group goes on without it
// when its session is over.
const leaveTimeout = 5 * time.Second

// leave leaves the group and closes the client.
func (p *Pipeline) leave() {
	defer p.closing.wait(func() {
		p.client.Close()
		p.client.AllowRebalance() // closing polls once more, and what waits for that in the client would wait for ever
	})
	member, epoch := p.client.GroupMetadata()
	ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
	defer cancel()
	p.client.AllowRebalance() // of a poll that was under way: the client waits for it
	err := p.client.LeaveGroupContext(ctx)
	if p.cfg.GroupProtocol == NextGen && p.cfg.InstanceID != "" && epoch > 0 {
		// The client takes a static member's leave without its instance id to the coordinator, which refuses it: the
		// member's next process would have to wait until the session is over.
		req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
		req.Group, req.MemberID, req.InstanceID, req.MemberEpoch = p.cfg.Group, member, &p.cfg.InstanceID, -2
		_, err = req.RequestWith(ctx, p.client)
	}
	if err != nil {
		p.log.Warn("the group was not told that this member goes: what it had waits until its session is over", "pipeline", p.cfg.Name, "group", p.cfg.Group, "error", err)
	}
}

// Abandon tells the group that this member is gone, so that others have its partitions at once and not when its session is over. It is for a process
// that ends before [Pipeline.Run] has drained: nothing is committed, and what is under way is handled again. A static member (InstanceID) is not
// told of, for its next process takes its place. It may be called on any goroutine while Run runs, and the process has to end then. It
// returns why the group could not be told, or ctx's error.
func (p *Pipeline) Abandon(ctx context.Context) error {
	if phase := Phase(p.phase.Load()); phase != Running && phase != Draining || p.cfg.InstanceID != "" {
		return nil
	}
	member, _ := p.client.GroupMetadata()
	if member == "" {
		return nil
	}
	return within(ctx, func() error {
		if p.cfg.GroupProtocol == NextGen {
			req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
			req.Group, req.MemberID, req.MemberEpoch = p.cfg.Group, member, -1
			_, err := req.RequestWith(ctx, p.client)
			return err
		}
		req := kmsg.NewPtrLeaveGroupRequest()
		one := kmsg.NewLeaveGroupRequestMember()
		one.MemberID = member
		req.Group, req.MemberID, req.Members = p.cfg.Group, member, append(req.Members, one)
		_, err := req.RequestWith(ctx, p.client)
		return err
	})
}

// revive has the group assign anew when a static member came back, by the classic protocol, with topics that nobody has: it
// was given what it had before, without the leader being asked.
func (p *Pipeline) revive() {
	ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	described, err := p.admin.DescribeGroups(ctx, p.cfg.Group)
	group := described[p.cfg.Group]
	if err != nil || group.Err != nil || group.State != "Stable" { // it is being assigned
		return
	}
	assigned := group.AssignedPartitions()
	for _, topics := range p.topics.families() {
		for topic, partitions := range topics {
			for part := range partitions {
				if !assigned.Lookup(topic, part) {
					p.log.Info("no member has a topic that this one reads: the group assigns anew", "pipeline", p.cfg.Name, "topic", topic)
					p.client.ForceRebalance()
					return
				}
			}
		}
	}
}
