package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v4"

	"github.com/redeliver/redeliver/internal/config"
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
	cmd.Flags().StringVar(&s.user, "strimzi-user", "", "with -o strimzi: the `name` of the KafkaUser (default: kafka.sasl.username, or redeliver)")
	cmd.Flags().StringVar(&s.cluster, "strimzi-cluster", "", "with -o strimzi: the name of the Kafka `resource`, for the label strimzi.io/cluster")
	return s
}

// maxLabel is how long the value of a label may be, in bytes.
const maxLabel = 63

// wanted says what is missing for -o strimzi.
func (s *strimziFlags) wanted(format outputFormat) error {
	switch {
	case format != asStrimzi:
	case s.cluster == "":
		return usagef("-o strimzi needs --strimzi-cluster: the name of the Kafka resource that the topics and users belong to")
	case resourceName(s.cluster) != s.cluster || len(s.cluster) > maxLabel:
		return usagef("--strimzi-cluster: %q is no name of a resource that can stand in a label: at most %d lower-case letters, digits, - and .", s.cluster, maxLabel)
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
	UserName       string                 `yaml:"userName,omitempty"`
	Authentication *strimziAuthentication `yaml:",omitempty"`
	Authorization  strimziACLs
}

type strimziAuthentication struct{ Type string }

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

// printStrimzi prints a KafkaTopic for each topic of the plans, those included that are there: a resource says how its topic should be, and
// the operator takes away what it does not say. The user comes last, with the privileges of the pipelines.
func (p *program) printStrimzi(s *strimziFlags, pipeline string, plans []pipelinePlan) error {
	c, privileges, err := p.privileges(pipeline, "")
	if err != nil {
		return err
	}
	var all []strimziResource
	for _, plan := range plans {
		for _, t := range plan.Topics {
			all = append(all, s.resource("KafkaTopic", t.Name, strimziTopic{t.Name, t.Partitions, max(t.Replication, 0), t.Configs}))
		}
	}
	p.tellPlans(plans)
	return printResources(p.out, append(all, s.kafkaUser(c.Kafka, privileges)))
}

// kafkaUser is the user with the privileges. How it shows who it is comes from the configuration as far as Strimzi has it; else
// spec.authentication is for somebody to add.
func (s *strimziFlags) kafkaUser(k config.Kafka, all []acl) strimziResource {
	var acls []strimziACL
	for _, one := range all {
		resource := map[string]string{"type": camel(one.Resource), "name": one.Name, "patternType": strings.Replace(one.Pattern, "prefixed", "prefix", 1)}
		at := slices.IndexFunc(acls, func(a strimziACL) bool { return maps.Equal(a.Resource, resource) })
		if at < 0 {
			at, acls = len(acls), append(acls, strimziACL{Resource: resource, Host: "*"})
		}
		if operation := words(one.Operation); !slices.Contains(acls[at].Operations, operation) {
			acls[at].Operations = append(acls[at].Operations, operation)
		}
	}
	user := strimziUser{Authorization: strimziACLs{"simple", acls}}
	switch {
	case k.SASL.Mechanism == "scram-sha-512":
		user.Authentication = &strimziAuthentication{"scram-sha-512"}
	case k.SASL.Mechanism == "" && k.TLS.CertFile != "":
		user.Authentication = &strimziAuthentication{"tls"}
	}
	name := cmp.Or(s.user, k.SASL.Username, "redeliver")
	if resourceName(name) != name {
		user.UserName = name
	}
	return s.resource("KafkaUser", name, user)
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
