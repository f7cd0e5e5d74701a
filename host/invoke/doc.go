// Package invoke is the chain of one invocation: resolve the version, admit it,
// observe it, place it in an execution environment, hold its deadline, run it.
// [New] is the table of contents.
//
// Three failures are kept apart by type. The host refused: an error of the
// catalogue or of admission. The function failed: a value in [Outcome]. The
// host broke: any other error. Read next: package admission, then package
// environment.
package invoke
