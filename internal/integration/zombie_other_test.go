//go:build !unix

package integration_test

// resume does nothing where no test stops a process.
func resume(*process) {}
