#![doc = include_str!("proxies.md")]
#![doc = "```nginx"]
#![doc = include_str!("../../docs/nginx/auth_request.conf")]
#![doc = "```"]
