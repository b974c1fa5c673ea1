/** Swift's configuration files: one node, one device, one replica, all on loopback. */

/** The three that store; the proxy stands before them. */
export const SWIFT_SERVERS = ['account', 'container', 'object'];

/** The order matters: without `cache` every request fails, without `symlink` the proxy ends. */
const PIPELINE =
  'catch_errors gatekeeper healthcheck cache bulk s3api tempauth copy slo dlo symlink versioned_writes proxy-server';

export function swiftConf() {
  return ini({
    'swift-hash': { swift_hash_path_suffix: 'bulkhead', swift_hash_path_prefix: 'bulkhead' },
    'storage-policy:0': { name: 'default', default: 'yes' },
  });
}

/** Of `account`, `container`, `object` or `proxy`. */
export function serverConf(name, { dir, ports, username, user, password }) {
  const common = {
    bind_ip: '127.0.0.1',
    bind_port: ports[name],
    user: username,
    swift_dir: dir,
    workers: 0,
    log_address: '/dev/null',
    log_level: 'ERROR',
  };
  if (name !== 'proxy') {
    return ini({
      DEFAULT: {
        ...common,
        devices: `${dir}/devices`,
        mount_check: 'false',
        fallocate_reserve: 0,
        disable_fallocate: 'true',
      },
      'pipeline:main': { pipeline: `${name}-server` },
      [`app:${name}-server`]: { use: `egg:swift#${name}` },
    });
  }
  const filter = (egg, more = {}) => ({ use: `egg:swift#${egg}`, ...more });
  return ini({
    DEFAULT: { ...common, cors_allow_origin: '*', strict_cors_mode: 'false' },
    'pipeline:main': { pipeline: PIPELINE },
    'app:proxy-server': filter('proxy', {
      account_autocreate: 'true',
      allow_account_management: 'true',
    }),
    'filter:catch_errors': filter('catch_errors'),
    'filter:gatekeeper': filter('gatekeeper'),
    'filter:healthcheck': filter('healthcheck'),
    'filter:cache': filter('memcache', { memcache_servers: `127.0.0.1:${ports.memcached}` }),
    'filter:bulk': filter('bulk'),
    'filter:s3api': filter('s3api', {
      location: 'us-east-1',
      allow_multipart_uploads: 'true',
      s3_acl: 'false',
      check_bucket_owner: 'false',
      min_segment_size: 5_242_880,
      max_upload_part_num: 10_000,
      cors_preflight_allow_origin: '*',
      allowable_clock_skew: 900,
    }),
    'filter:tempauth': filter('tempauth', {
      [`user_${user.replace(':', '_')}`]: `${password} .admin`,
    }),
    'filter:copy': filter('copy'),
    'filter:slo': filter('slo'),
    'filter:dlo': filter('dlo'),
    'filter:symlink': filter('symlink'),
    'filter:versioned_writes': filter('versioned_writes', {
      allow_versioned_writes: 'true',
      allow_object_versioning: 'true',
    }),
  });
}

function ini(sections) {
  return Object.entries(sections)
    .map(([name, values]) => {
      const lines = Object.entries(values).map(([key, value]) => `${key} = ${value}\n`);
      return `[${name}]\n${lines.join('')}`;
    })
    .join('\n');
}
