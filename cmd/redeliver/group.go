package main

import (
	"context"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/redeliver/redeliver/consumer"
)

// nextGenGroup describes a group whose members speak KIP-848, which brokers do not describe as they do others. There is none
// where they do not know it, or it has no members.
func nextGenGroup(ctx context.Context, adm *kadm.Client, group string) (kadm.DescribedConsumerGroup, bool) {
	described, err := adm.DescribeConsumerGroups(ctx, group)
	if err != nil {
		return kadm.DescribedConsumerGroup{}, false
	}
	one, there := described[group]
	return one, there && one.Err == nil && len(one.Members) > 0
}

// lacksNextGen reports whether all brokers that say what they know do not know KIP-848. Whether it is switched on shows when a
// member joins.
func lacksNextGen(ctx context.Context, adm *kadm.Client) bool {
	versions, err := adm.ApiVersions(ctx)
	told := false
	for _, v := range versions {
		if v.Err != nil {
			continue
		}
		told = true
		if most, there := v.KeyMaxVersion(kmsg.ConsumerGroupHeartbeat.Int16()); there && most >= 1 {
			return false
		}
	}
	return err == nil && told
}

// protocolOf is the group_protocol of members with a balancer, "" when it is none of ours.
func protocolOf(balancer string) string {
	switch {
	case strings.HasPrefix(balancer, "redeliver-") && strings.HasSuffix(balancer, "-eager"):
		return consumer.Eager.String()
	case strings.HasPrefix(balancer, "redeliver-"):
		return consumer.Classic.String()
	}
	return ""
}
