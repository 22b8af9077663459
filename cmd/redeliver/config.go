package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/redeliver/redeliver/internal/config"
)

func newConfigCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Print the configuration, its keys, its JSON Schema or an example",
		Args:  noSuchCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newConfigShowCommand(p), newConfigSchemaCommand(p), newConfigExampleCommand(p), newConfigKeysCommand(p))
	return cmd
}

func newConfigShowCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Print the configuration as it is in force",
		Long: `Print the configuration as it is in force: defaults written out, 'defaults:' merged into every pipeline, environment
variables replaced, secrets masked. As YAML, or with -o json as JSON.`,
		Args: noArguments,
	}
	format := addOutput(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		c, err := p.loadEmbedded() // what is in force can be shown without brokers
		if err != nil {
			return err
		}
		if *format == asTable {
			text, err := c.YAML()
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(p.out, text)
			return err
		}
		values, err := c.Values()
		if err != nil {
			return err
		}
		return printOne(p.out, *format, values)
	}
	return cmd
}

func newConfigSchemaCommand(p *program) *cobra.Command {
	format := asJSON
	cmd := &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of config.yaml, for editors",
		Long: `Print the JSON Schema of config.yaml. With the YAML language server (VS Code, Neovim, IntelliJ):

  redeliver config schema > redeliver.schema.json

and, in the first line of config.yaml:

  # yaml-language-server: $schema=redeliver.schema.json`,
		Args: noArguments,
		RunE: func(*cobra.Command, []string) error {
			if format == asTable {
				return usagef("-o table: the schema is one JSON document; see `redeliver config keys` for a table of the keys")
			}
			return printOne(p.out, format, config.Schema())
		},
	}
	cmd.Flags().VarP(&format, "output", "o", "output `format`: json, jsonl (in one line)")
	return cmd
}

func newConfigExampleCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use:   "example",
		Short: "Print a commented config.yaml to begin with",
		Long: `Print a commented config.yaml to begin with:

  redeliver config example > config.yaml`,
		Args: noArguments,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprint(p.out, config.Example)
			return err
		},
	}
}

func newConfigKeysCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "List every key of config.yaml with its default and meaning",
		Args:  noArguments,
	}
	format := addOutput(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		r := newRows(p.out, *format,
			column[config.KeyInfo]{title: "KEY", cell: func(k config.KeyInfo) string { return k.Path }},
			column[config.KeyInfo]{title: "DEFAULT", cell: func(k config.KeyInfo) string {
				if k.Required {
					return "(required)"
				}
				return k.Default
			}},
			column[config.KeyInfo]{title: "MEANING", cell: func(k config.KeyInfo) string { return k.Meaning }},
		)
		for _, k := range config.Keys() {
			if err := r.add(k); err != nil {
				return err
			}
		}
		return r.close()
	}
	return cmd
}
