package main

import (
	"context"
	"net"
	"os"
	"os/user"

	"github.com/spf13/cobra"

	"github.com/redeliver/redeliver/internal/admin"
	"github.com/redeliver/redeliver/internal/config"
)

// addAdminFlag gives a command that talks to a running process its --admin.
func addAdminFlag(cmd *cobra.Command) *string {
	return cmd.Flags().String("admin", "", "address of the process, a `URL`; default: admin.listen of the configuration")
}

// adminClient returns a client of the process that --admin names, else of the configuration's, which is returned too. The
// configuration is nil when --admin made it unnecessary.
func (p *program) adminClient(address string) (*admin.Client, *config.Config, error) {
	var c *config.Config
	if address == "" {
		var err error
		// Neither the brokers nor warnings matter to a change in a process.
		if c, err = config.Load(p.configFile, config.Options{Lookup: p.getenv, Embedded: true}); err != nil {
			return nil, nil, err
		}
		if address, err = adminAddress(c); err != nil {
			return nil, c, err
		}
	}
	client, err := admin.NewClient(address, operator())
	if err != nil {
		return nil, nil, usagef("--admin: %w", err)
	}
	token, secure, err := p.adminAccess(c)
	if err != nil {
		return nil, c, usagef("%w", err)
	}
	return client.With(token, secure), c, nil
}

// adminAddress is where a process with that configuration can be reached from this machine.
func adminAddress(c *config.Config) (string, error) {
	listen := c.Admin.Listen
	if listen == "" {
		return "", usagef("%s: admin.listen is \"\", so that a process with this configuration cannot be reached: set it, or name another process with --admin", c.At("admin.listen"))
	}
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", usagef("%s: admin.listen: %w", c.At("admin.listen"), err)
	}
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		host = "127.0.0.1"
	}
	scheme := "http://"
	if c.Admin.TLS.CertFile != "" {
		scheme = "https://"
	}
	return scheme + net.JoinHostPort(host, port), nil
}

// operator is who runs the command, for the log of the process that is changed.
func operator() string {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		name += "@" + host
	}
	return name
}

// adminChange is the outcome of a command that changes something in a process.
type adminChange struct {
	Change  string `json:"change"`
	Name    string `json:"name"`
	DryRun  bool   `json:"dry_run"`
	Message string `json:"message"`
}

// changeProcess makes a change and prints what the process says about it. With --dry-run it only calls check, which
// says what would be done or why that is not possible. question is asked first unless it is "".
func (p *program) changeProcess(ctx context.Context, flags *changeFlags, format outputFormat, change, name, question string, check, do func(context.Context) (string, error)) error {
	result := adminChange{Change: change, Name: name, DryRun: flags.dryRun}
	var err error
	if flags.dryRun {
		result.Message, err = check(ctx)
	} else {
		if question != "" {
			if ok, err := p.confirm(flags, question); !ok {
				return err
			}
		}
		result.Message, err = do(ctx)
	}
	if err != nil {
		return err
	}
	rows := newRows(p.out, format, column[adminChange]{cell: func(c adminChange) string { return c.Message }})
	if format == asTable {
		_, err := p.out.Write([]byte(printable(result.Message) + "\n"))
		return err
	}
	if err := rows.add(result); err != nil {
		return err
	}
	return rows.close()
}
