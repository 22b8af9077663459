package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/redeliver/redeliver/internal/config"
)

// Exit statuses of every command.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2 // wrong usage or configuration
	exitPart   = 3 // done in part
)

// exitError is an error that says with which status the process ends. Any other error ends it with exitFailed, one of
// the configuration with exitUsage.
type exitError struct {
	status int
	err    error // nil: everything has been said already
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.status)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// usagef is an error in how a command was called.
func usagef(format string, args ...any) error {
	return &exitError{status: exitUsage, err: fmt.Errorf(format, args...)}
}

// partlyf is the error of a command that did a part of its work and says which.
func partlyf(format string, args ...any) error {
	return &exitError{status: exitPart, err: fmt.Errorf(format, args...)}
}

// exitStatus is the status that a command which returned err ends with.
func exitStatus(err error) int {
	var exit *exitError
	var problems config.Problems
	var missing *config.FileError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &exit):
		return exit.status
	case errors.As(err, &problems), errors.As(err, &missing):
		return exitUsage
	}
	return exitFailed
}

// report prints the error of a command and returns the exit status.
func (p *program) report(err error) int {
	status := exitStatus(err)
	var exit *exitError
	if errors.As(err, &exit) && exit.err == nil {
		return status
	}
	var problems config.Problems
	switch {
	case errors.As(err, &problems):
		// Each begins with file:line:column, which editors and terminals find only at the start of a line.
		fmt.Fprintln(p.err, problems.Error())
		fmt.Fprintf(p.err, "\n%s\n", problems.Summary())
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(p.err, "redeliver: interrupted")
	default:
		fmt.Fprintln(p.err, "redeliver: "+strings.TrimSpace(err.Error()))
	}
	return status
}
