// Command lambda is the admin function on AWS.
package main

import (
	"context"

	"entrasync/functions/admin"
	"entrasync/shared/aws/lambdaenv"
	"entrasync/shared/aws/patience"
	"entrasync/shared/aws/signin"
	"entrasync/shared/directory"
)

func main() {
	env := lambdaenv.Open(patience.Worker)
	records := env.Store()
	secrets := env.KeptSecrets(records)
	outside := signin.Systems(env, records, secrets)
	auth := admin.TokenAuth(secrets.AdminToken)
	if env.Variable(lambdaenv.APIAuth) == lambdaenv.GatewayAuth {
		auth = admin.GatewayAuth
	}
	handler := admin.NewHandler(admin.API{
		Store: records, Secrets: secrets, Systems: outside, Tenants: outside, Organizations: outside, Auth: auth,
		Channels: func(ctx context.Context, id directory.OrganizationID) (admin.Channels, error) {
			return outside.Organization(ctx, id)
		},
		Passwords: func(ctx context.Context, id directory.OrganizationID) (admin.Passwords, error) {
			return outside.Organization(ctx, id)
		},
		Groups: func(ctx context.Context, id directory.OrganizationID) (admin.Groups, error) {
			return outside.Organization(ctx, id)
		},
		Live: env.Queue(lambdaenv.UsersLiveQueue), Bulk: env.Queue(lambdaenv.UsersBulkQueue),
		GroupsLive: env.Queue(lambdaenv.GroupsLiveQueue), GroupsBulk: env.Queue(lambdaenv.GroupsBulkQueue),
	})
	env.Start(handler.Handle)
}
