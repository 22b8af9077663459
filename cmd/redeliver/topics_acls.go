package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/redeliver/redeliver/internal/config"
)

func newTopicsACLsCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "acls",
		Short: "Print the least privileges that the pipelines' user needs",
		Long: `Print the least privileges that the pipelines' user needs, as Kafka's ACLs tell them. The cluster is not asked. "run" is what
'redeliver run' needs, "operate" what the commands need that act on dead letters and read the cluster; --for keeps one of them.
Without topics.create the topics have to be made by somebody else, and the user needs less.

READ and WRITE imply DESCRIBE, and ALTER_CONFIGS implies DESCRIBE_CONFIGS. 'redeliver replay --to source' and '--to topic:NAME' need WRITE there, too,
as does who runs the pipeline, where 'redeliver replay start' leaves that to it.
'redeliver validate --connect' says which of these the user lacks.`,
		Example: "  redeliver topics acls\n  redeliver topics acls --commands --principal User:redeliver | sh",
		Args:    noArguments,
	}
	format := addOutput(cmd)
	strimzi := addStrimzi(cmd, format)
	name := p.addPipelineFlag(cmd)
	who := cmd.Flags().String("for", "", "only what `run` or operate needs")
	commands := cmd.Flags().Bool("commands", false, "print commands of kafka-acls.sh, which take the rest of their options from $KAFKA_ACLS")
	principal := cmd.Flags().String("principal", "User:redeliver", "the user, in these `commands`")
	cmd.RunE = func(_ *cobra.Command, _ []string) error {
		if *who != "" && *who != config.ForRun && *who != config.ForOperate {
			return usagef("--for: %q is neither run nor operate", *who)
		}
		if err := strimzi.wanted(*format); err != nil {
			return err
		}
		c, all, err := p.privileges(*name, *who)
		if err != nil {
			return err
		}
		if *commands {
			for _, one := range all {
				fmt.Fprintln(p.out, one.command(*principal))
			}
			return nil
		}
		if *format == asStrimzi {
			return printResources(p.out, []strimziResource{strimzi.kafkaUser(c.Kafka, all)})
		}
		return printAll(newRows(p.out, *format,
			column[acl]{title: "PIPELINE", cell: func(a acl) string { return a.Pipeline }},
			column[acl]{title: "RESOURCE", cell: func(a acl) string { return a.Resource }},
			column[acl]{title: "NAME", cell: func(a acl) string { return a.Name }},
			column[acl]{title: "PATTERN", cell: func(a acl) string { return a.Pattern }},
			column[acl]{title: "OPERATION", cell: func(a acl) string { return a.Operation }},
			column[acl]{title: "FOR", cell: func(a acl) string { return strings.Join(a.For, ", ") }},
			column[acl]{title: "TO", cell: func(a acl) string { return a.Why }},
		), all)
	}
	return cmd
}

// privileges are those of one pipeline, or of each, as the configuration is: without asking the cluster. who keeps what is for run or for
// operate.
func (p *program) privileges(name, who string) (*config.Config, []acl, error) {
	c, err := config.Load(p.configFile, config.Options{Lookup: p.getenv, Embedded: true})
	if err != nil {
		return nil, nil, err
	}
	chosen, err := pipelines(c, name)
	if err != nil {
		return nil, nil, err
	}
	var all []acl
	for _, pipeline := range chosen {
		privileges, err := c.Privileges(pipeline)
		if err != nil {
			return nil, nil, err
		}
		for _, one := range privileges {
			if who == "" || slices.Contains(one.For, who) {
				all = append(all, acl{pipeline.Name, one})
			}
		}
	}
	return c, all, nil
}

// acl is one line of the output.
type acl struct {
	Pipeline string `json:"pipeline"`
	config.Privilege
}

// command is how Kafka's own tool gives the privilege.
func (a acl) command(principal string) string {
	resource := map[string]string{"topic": "--topic", "group": "--group", "transactional_id": "--transactional-id"}[a.Resource]
	operation := words(a.Operation)
	return fmt.Sprintf("kafka-acls.sh $KAFKA_ACLS --add --allow-principal '%s' --operation %s %s '%s' --resource-pattern-type %s",
		strings.ReplaceAll(principal, "'", `'\''`), operation, resource, a.Name, a.Pattern)
}

// words writes ALTER_CONFIGS as AlterConfigs, as kafka-acls.sh wants it.
func words(operation string) (joined string) {
	for _, w := range strings.Split(strings.ToLower(operation), "_") {
		joined += strings.ToUpper(w[:1]) + w[1:]
	}
	return joined
}
