import { BlockList, isIP } from 'node:net';

/* Addresses that a registry has no business to send anybody to. Hosts are written as in a URL, which has one form of each. */

const NEAR = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
] as const) {
  NEAR.addSubnet(network, prefix);
}
// The services that a machine in Azure or another cloud asks about itself.
NEAR.addAddress('168.63.129.16');
NEAR.addAddress('100.100.100.200');
NEAR.addAddress('::', 'ipv6');
NEAR.addAddress('::1', 'ipv6');
NEAR.addSubnet('fe80::', 10, 'ipv6');
NEAR.addAddress('fd00:ec2::254', 'ipv6');

const PRIVATE = new BlockList();
for (const [network, prefix] of [
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
] as const) {
  PRIVATE.addSubnet(network, prefix);
}
PRIVATE.addSubnet('fc00::', 7, 'ipv6');

/** Names of this machine, and of what tells a machine its secrets. */
const NEAR_NAMES = /^(?:localhost|.+\.localhost|metadata|metadata\.google\.internal|instance-data)\.?$/;

/** Whether a host is this machine, or what is on its own wire: the metadata services of clouds are. */
export function isNearAddress(hostname: string): boolean {
  return NEAR_NAMES.test(hostname) || isIn(NEAR, hostname);
}

/** Whether a host is an address within a private network. */
export function isPrivateAddress(hostname: string): boolean {
  return isIn(PRIVATE, hostname);
}

function isIn(list: BlockList, hostname: string): boolean {
  const address = hostname.replace(/^\[(.*)\]$/, '$1');
  const version = isIP(address);
  // An IPv4 address that is written as one of IPv6 is found among those of IPv4.
  return version !== 0 && list.check(address, version === 6 ? 'ipv6' : 'ipv4');
}
