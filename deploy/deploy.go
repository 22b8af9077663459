// Package deploy holds what runs and watches Redeliver in production. It has no code, but tests: they check what stands here against the
// libraries that read it elsewhere, which the module of the library itself has no need of.
package deploy
