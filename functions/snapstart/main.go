// Command snapstart shows what becomes of a function that is restored from a
// snapshot: what init drew at random is in each copy, what the hook draws is the
// copy's own. It says so in the log when init and hooks run. With the environment
// variable HOOK it fails in one: before, after, hang or exit (both in after).
package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/lambent-host/lambent/abi/guest/snapstart"
)

type state struct {
	FromInit string `json:"fromInit"` // alike in all copies
	FromHook string `json:"fromHook"` // each copy's own
	Now      string `json:"now"`      // as is what is asked for when it is needed
	Count    int    `json:"count"`
}

var current = state{FromInit: rand.Text()}

func before() error {
	fmt.Println("before the snapshot")
	if os.Getenv("HOOK") == "before" {
		return errors.New("the hook failed as asked")
	}
	return nil
}

func after() error {
	fmt.Println("after the restore")
	current.FromHook = rand.Text()
	switch os.Getenv("HOOK") {
	case "after":
		return errors.New("the hook failed as asked")
	case "hang":
		time.Sleep(time.Hour)
	case "exit":
		os.Exit(7)
	}
	return nil
}

func main() {
	fmt.Println("init runs")
	snapstart.BeforeSnapshot(before)
	snapstart.AfterRestore(after)
	lambda.Start(func() (state, error) {
		current.Count++
		current.Now = rand.Text()
		return current, nil
	})
}
