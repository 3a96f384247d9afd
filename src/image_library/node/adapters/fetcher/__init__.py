"""The one way by which bytes come from the network: judged URL, judged addresses, resumed, retried."""
