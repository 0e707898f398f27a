// Command empty is a Lambda function that does nothing. It shows the least time and memory
// that any function needs to start.
package main

import "github.com/aws/aws-lambda-go/lambda"

func main() {
	lambda.Start(func() error { return nil })
}
