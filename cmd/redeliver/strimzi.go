package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v4"

	"github.com/redeliver/redeliver/retrytopics"
)

// asStrimzi prints resources of Strimzi, for its operators to make what Redeliver would make itself: https://strimzi.io/docs/operators/latest/configuring
const asStrimzi outputFormat = "strimzi"

// resourceFormat is the value of -o where there are resources of Strimzi too.
type resourceFormat struct{ *outputFormat }

// Set implements pflag.Value.
func (f resourceFormat) Set(s string) error {
	if s == string(asStrimzi) {
		*f.outputFormat = asStrimzi
		return nil
	}
	if err := f.outputFormat.Set(s); err != nil {
		return fmt.Errorf("%w, %s", err, asStrimzi)
	}
	return nil
}

// strimziFlags are what such a resource is told.
type strimziFlags struct{ cluster, user string }

// addStrimzi gives a command that has -o the format strimzi.
func addStrimzi(cmd *cobra.Command, format *outputFormat) *strimziFlags {
	output := cmd.Flags().Lookup("output")
	output.Value = resourceFormat{format}
	output.Usage = "output `format`: table, json, jsonl (one object a line), strimzi (resources for its operators)"
	s := new(strimziFlags)
	cmd.Flags().StringVar(&s.cluster, "strimzi-cluster", "", "with -o strimzi: the name of the Kafka `resource`, for the label strimzi.io/cluster")
	return s
}

// wanted says what is missing for -o strimzi.
func (s *strimziFlags) wanted(format outputFormat) error {
	if format == asStrimzi && s.cluster == "" {
		return usagef("-o strimzi needs --strimzi-cluster: the name of the Kafka resource that the topics and users belong to")
	}
	return nil
}

type strimziResource struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string
	Metadata   strimziMetadata
	Spec       any
}

type strimziMetadata struct {
	Name   string
	Labels map[string]string
}

type strimziTopic struct {
	TopicName  string `yaml:"topicName"`
	Partitions int32
	Replicas   int16             `yaml:",omitempty"`
	Config     map[string]string `yaml:",omitempty"`
}

type strimziUser struct {
	Authorization strimziACLs
}

type strimziACLs struct {
	Type string
	ACLs []strimziACL `yaml:"acls"`
}

type strimziACL struct {
	Resource   map[string]string
	Operations []string
	Host       string
}

func (s *strimziFlags) resource(kind, name string, spec any) strimziResource {
	return strimziResource{"kafka.strimzi.io/v1", kind, strimziMetadata{resourceName(name), map[string]string{"strimzi.io/cluster": s.cluster}}, spec}
}

// printTopics prints a KafkaTopic for each topic that is missing. What exists and is to be changed belongs to a resource that somebody else wrote,
// or to none: it is told.
func (s *strimziFlags) printTopics(out, told io.Writer, plans []pipelinePlan) error {
	var all []strimziResource
	for _, plan := range plans {
		for _, a := range plan.Actions {
			if a.Kind != retrytopics.Create {
				fmt.Fprintf(told, "%s is there and has to be changed (%s): do that in its KafkaTopic, or with `redeliver topics apply`\n", a.Topic, a.Why)
				continue
			}
			all = append(all, s.resource("KafkaTopic", a.Topic, strimziTopic{a.Topic, a.Partitions, max(a.Replication, 0), a.Configs}))
		}
	}
	return printResources(out, all)
}

// printUser prints a KafkaUser with the privileges. How it shows who it is, spec.authentication, is to be added.
func (s *strimziFlags) printUser(out io.Writer, all []acl) error {
	var acls []strimziACL
	for _, one := range all {
		resource := map[string]string{"type": camel(one.Resource), "name": one.Name, "patternType": strings.Replace(one.Pattern, "prefixed", "prefix", 1)}
		at := slices.IndexFunc(acls, func(a strimziACL) bool { return fmt.Sprint(a.Resource) == fmt.Sprint(resource) })
		if at < 0 {
			at, acls = len(acls), append(acls, strimziACL{Resource: resource, Host: "*"})
		}
		if operation := words(one.Operation); !slices.Contains(acls[at].Operations, operation) {
			acls[at].Operations = append(acls[at].Operations, operation)
		}
	}
	return printResources(out, []strimziResource{s.resource("KafkaUser", s.user, strimziUser{strimziACLs{"simple", acls}})})
}

func printResources(out io.Writer, all []strimziResource) error {
	for i, one := range all {
		text, err := yaml.Marshal(one)
		if err != nil {
			return err
		}
		if i > 0 {
			text = append([]byte("---\n"), text...)
		}
		if _, err := out.Write(text); err != nil {
			return err
		}
	}
	return nil
}

// camel writes transactional_id as transactionalId, as Strimzi wants it.
func camel(resource string) string {
	joined := words(resource)
	return strings.ToLower(joined[:1]) + joined[1:]
}

var illegalInResourceName = regexp.MustCompile(`[^a-z0-9.-]+|^[^a-z0-9]+|[^a-z0-9]+$|\.[^a-z0-9]+|[^a-z0-9]+\.`)

// resourceName is a topic's or user's name as Kubernetes takes it (RFC 1123, at most 253 characters). One that had to be changed gets a hash, so
// that no two become one.
func resourceName(name string) string {
	const limit = 253
	legal := illegalInResourceName.ReplaceAllStringFunc(strings.ToLower(name), func(s string) string {
		if strings.Contains(s, ".") {
			return "."
		}
		return "-"
	})
	legal = strings.Trim(legal, ".-")
	if legal == name && len(name) <= limit {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	hash := hex.EncodeToString(sum[:4])
	return strings.Trim(strings.TrimRight(legal[:min(len(legal), limit-len(hash)-1)], ".-")+"-"+hash, ".-")
}
