"""Makes a directory with a user and a group in it, an import with a line that is failed
and its file, and a resync, and prints their ids as shell variables."""

import json
import os
import time
import urllib.request


def ask(method, url, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Authorization": "Bearer " + os.environ["API_TOKEN"], "Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


api = os.environ["API_URL"] + "/v1"
people = ask("GET", os.environ["JUMPCLOUD_PAGE"].rstrip("/") + "/_sim/state")
organization = ask("GET", api + "/organizations")["items"][0]["id"]
user, group = people["users"][0]["_id"], people["groups"][0]["id"]
directory = ask("POST", api + "/directories", {"name": "Known", "organizationId": organization, "tenantId": os.environ["TENANT"], "settings": {"allowSharedDomains": True}})["id"]
ask("PUT", f"{api}/directories/{directory}/connections/users/{user}")
ask("PUT", f"{api}/directories/{directory}/connections/groups/{group}")
job = ask("POST", f"{api}/directories/{directory}/imports", {"userIds": ["00000000-0000-4000-8000-000000000000"]})["jobId"]
for _ in range(300):
    if "resultsUrl" in ask("GET", f"{api}/imports/{job}"):
        break
    time.sleep(0.1)
else:
    raise SystemExit("the import has no file after half a minute")
resync = ask("POST", f"{api}/directories/{directory}/resync", {})["jobId"]
print(f"ORGANIZATION_ID={organization}\nDIRECTORY_ID={directory}\nUSER_ID={user}\nGROUP_ID={group}\nIMPORT_ID={job}\nJOB_ID={resync}")
