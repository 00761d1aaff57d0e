#include "delivery/explain/causes.hpp"

#include <array>

namespace cooper::delivery {

namespace {

constexpr std::string_view kEntries = "members|entries";
constexpr std::string_view kFiles = "entries|content";
// What says only that a path is there, or what is in it; its times and owners have causes of their own.
constexpr std::string_view kSubstance = "entry|content|size|link|type";

// The first row that fits is the answer, so what is special stands before what is general.
constexpr std::array kTable = {
    // Damage
    CauseRow{{"damaged", "the bytes of one side are not what their digest says, or cannot be read",
              "fetch that file again and compare it with SHA256SUMS"},
             "",
             "damaged|unreadable",
             "",
             ""},

    // Inside files: only times
    CauseRow{{"pyc-mtime", "a .pyc file holds the mtime of its source",
              "set SOURCE_DATE_EPOCH in the RUN, or PYTHONDONTWRITEBYTECODE=1, or compile with "
              "--invalidation-mode unchecked-hash"},
             "content",
             "content",
             "",
             "pyc, only*",
             Ignorable::Times},
    CauseRow{
        {"gzip-file-header", "a gzip file holds the time and name of what was compressed", "compress with gzip -n"},
        "content",
        "content",
        "",
        "gzip, only*",
        Ignorable::Times},
    CauseRow{{"zip-times", "a zip or jar file holds the times of its members",
              "set them before packing (touch -d @$SOURCE_DATE_EPOCH), or run strip-nondeterminism"},
             "content",
             "content",
             "",
             "zip, only*",
             Ignorable::Times},
    CauseRow{{"ar-times", "a static library holds times and owners of its members", "use ar's D modifier (ar rcsD)"},
             "content",
             "content",
             "",
             "ar, only*",
             Ignorable::Times},

    // What RUN steps leave behind
    CauseRow{{"shadow-date", "/etc/shadow holds the day of the last change of each password",
              "set SOURCE_DATE_EPOCH in the RUN (shadow 4.9 and later), or chage -d 0 USER in the same RUN"},
             kFiles,
             kSubstance,
             "etc/shadow|etc/shadow-",
             "shadow, only*",
             Ignorable::Times},
    CauseRow{{"shadow-salt", "passwords are hashed with a random salt, or accounts differ",
              "give the hash itself (useradd -p '$6$SALT$…'), or no password at all"},
             kFiles,
             kSubstance,
             "etc/shadow|etc/shadow-|etc/gshadow|etc/gshadow-",
             ""},
    CauseRow{{"package-version", "another version of a package was installed",
              "pin versions, or take packages from a snapshot (snapshot.debian.org at SOURCE_DATE_EPOCH, hashes in "
              "requirements)"},
             "content|entries",
             "package",
             "",
             ""},
    CauseRow{{"package-database", "the package manager's database records order, times or versions",
              "install the same versions in one RUN; pin them, or use a snapshot of the repository"},
             kFiles,
             kSubstance,
             "var/lib/dpkg/*|lib/apk/db/*|usr/lib/apk/db/*|var/lib/rpm/*|usr/lib/sysimage/rpm/*|var/lib/dnf/*|"
             "var/lib/apt/extended_states",
             ""},
    CauseRow{{"aux-cache-inodes", "/var/cache/ldconfig/aux-cache holds inode numbers",
              "remove it in the same RUN: rm -f /var/cache/ldconfig/aux-cache"},
             kFiles,
             kSubstance,
             "var/cache/ldconfig/*",
             ""},
    CauseRow{{"dpkg-log", "/var/log/dpkg.log holds the time of each installation",
              "remove it in the same RUN: rm -f /var/log/dpkg.log"},
             kFiles,
             kSubstance,
             "var/log/dpkg.log*",
             ""},
    CauseRow{{"alternatives-log", "/var/log/alternatives.log holds the time of each change",
              "remove it in the same RUN: rm -f /var/log/alternatives.log"},
             kFiles,
             kSubstance,
             "var/log/alternatives.log*",
             ""},
    CauseRow{{"apt-log", "/var/log/apt holds times and the terminal's output of each installation",
              "remove it in the same RUN: rm -rf /var/log/apt/*"},
             kFiles,
             kSubstance,
             "var/log/apt|var/log/apt/*",
             ""},
    CauseRow{{"log-files", "logs hold times", "remove them in the same RUN: rm -rf /var/log/*"},
             kFiles,
             kSubstance,
             "var/log/*|*.log",
             ""},
    CauseRow{{"apt-lists", "/var/lib/apt/lists holds the package lists of that day",
              "remove them in the same RUN: rm -rf /var/lib/apt/lists/*"},
             kFiles,
             kSubstance,
             "var/lib/apt/lists|var/lib/apt/lists/*",
             ""},
    CauseRow{{"package-cache", "caches of package managers hold what was fetched that day",
              "clean them in the same RUN: apt-get clean, pip --no-cache-dir, apk --no-cache"},
             kFiles,
             kSubstance,
             "var/cache/apt/*|var/cache/apk/*|etc/apk/cache/*|var/cache/dnf/*|var/cache/yum/*|root/.cache/*|"
             "home/*/.cache/*|root/.npm/*|home/*/.npm/*|var/cache/debconf/*",
             ""},
    CauseRow{{"fontconfig-cache", "fontconfig's cache holds the mtimes of directories, its names depend on them",
              "remove it in the same RUN: rm -rf /var/cache/fontconfig/*"},
             kFiles,
             kSubstance,
             "var/cache/fontconfig/*|*/.fontconfig/*|*/.uuid",
             ""},
    CauseRow{{"apk-world", "/etc/apk/world names virtual packages by the date of their installation",
              "give virtual packages a name (apk add --virtual .build-deps) and delete them in the same RUN"},
             kFiles,
             kSubstance,
             "etc/apk/world",
             ""},
    CauseRow{
        {"machine-id", "/etc/machine-id is random on each machine", "empty it in the same RUN: : > /etc/machine-id"},
        kFiles,
        kSubstance,
        "etc/machine-id|var/lib/dbus/machine-id",
        ""},
    CauseRow{{"ssh-host-keys", "host keys of sshd are random", "remove them, and make them when the container starts"},
             kFiles,
             kSubstance,
             "etc/ssh/ssh_host_*",
             ""},
    CauseRow{{"wget-hsts", ".wget-hsts in a home directory holds the times of visits",
              "remove it in the same RUN, or use wget --no-hsts"},
             kFiles,
             kSubstance,
             "*.wget-hsts",
             ""},
    CauseRow{{"shell-history", "shells and editors write down what was typed", "remove the files in the same RUN"},
             kFiles,
             kSubstance,
             "*_history|*.lesshst|*.viminfo",
             ""},
    CauseRow{{"temporary-files", "temporary directories hold what a step left behind, often under random names",
              "remove it in the same RUN, or mount a tmpfs: RUN --mount=type=tmpfs,target=/tmp"},
             kFiles,
             kSubstance,
             "tmp/*|var/tmp/*|run/*|var/run/*",
             ""},
    CauseRow{{"runtime-files", "the builder's hosts, resolv.conf or hostname was captured",
              "do not write these in a RUN; a builder mounts its own"},
             kFiles,
             kSubstance,
             "etc/hosts|etc/hostname|etc/resolv.conf|*.dockerenv",
             ""},
    CauseRow{{"pycache", "Python wrote byte code while the image was built",
              "set PYTHONDONTWRITEBYTECODE=1, or compile with --invalidation-mode unchecked-hash and "
              "PYTHONHASHSEED=0"},
             kFiles,
             kSubstance,
             "*.pyc|*__pycache__|*__pycache__/*",
             ""},
    CauseRow{{"pip-record",
              "pip's RECORD lists hashes of what differs elsewhere (.pyc files, scripts), and when it "
              "was installed",
              "pip install --no-compile with hashes in requirements"},
             kFiles,
             kSubstance,
             "*.dist-info/*|*.egg-info/*",
             ""},
    CauseRow{{"ld-so-cache", "/etc/ld.so.cache lists the libraries that were found, in the order of directories",
              "install the same libraries; run ldconfig last in the same RUN"},
             kFiles,
             kSubstance,
             "etc/ld.so.cache",
             ""},
    CauseRow{{"build-id", "the program was compiled again: its build ID differs",
              "compile with SOURCE_DATE_EPOCH, a fixed path (-ffile-prefix-map) and the same compiler"},
             "content",
             "content",
             "",
             "ELF, the build ID*"},

    // Headers of entries
    CauseRow{{"mtime", "files carry the time at which they were written",
              "set SOURCE_DATE_EPOCH, and let the builder rewrite times (BuildKit: rewrite-timestamp=true)"},
             kEntries,
             "mtime",
             "",
             "",
             Ignorable::Times},
    CauseRow{{"mtime-fraction", "pax records give fractions of a second",
              "write whole seconds (GNU tar: --mtime=@$SOURCE_DATE_EPOCH)"},
             kEntries,
             "mtime-fraction",
             "",
             "",
             Ignorable::Times},
    CauseRow{{"atime-ctime", "the tar records when files were read or changed",
              "leave them out (GNU tar: --pax-option=delete=atime,delete=ctime)"},
             kEntries,
             "atime|ctime",
             "",
             "",
             Ignorable::Times},
    CauseRow{{"builder-ids", "user or group IDs are those of who built, or of another account",
              "fix owners: COPY --chown=0:0, tar --owner=0 --group=0 --numeric-owner"},
             "entries",
             "uid|gid",
             "",
             ""},
    CauseRow{{"user-names", "names of users and groups come from the builder's passwd",
              "leave them empty (tar --owner=:0 --group=:0 --numeric-owner)"},
             "entries",
             "uname|gname",
             "",
             ""},
    CauseRow{{"umask", "permissions come from the umask of who built or checked out (664 or 644)",
              "set the umask, or normalise modes: COPY --chmod=, chmod -R u=rwX,go=rX"},
             "entries",
             "mode",
             "",
             ""},
    CauseRow{{"xattr-selinux", "the builder's SELinux labels were captured",
              "leave security.selinux out (tar --no-selinux)"},
             kEntries,
             "xattr security.selinux",
             "",
             ""},
    CauseRow{{"xattr-acl", "the builder's access control lists were captured",
              "leave system.posix_acl_* out (tar --no-acls); setfacl -b"},
             kEntries,
             "xattr system.posix_acl_*",
             "",
             ""},
    CauseRow{{"xattr-capability", "file capabilities differ: a builder lost or added security.capability",
              "build where capabilities are kept (not on every vfs), or setcap in the last RUN"},
             kEntries,
             "xattr security.capability",
             "",
             ""},
    CauseRow{{"xattrs", "extended attributes of the builder's file system were captured",
              "leave them out (tar --no-xattrs), except those that the RUN makes"},
             kEntries,
             "xattr *",
             "",
             ""},
    CauseRow{{"hard-link-order",
              "of files with several names, which is the file and which the link depends on the "
              "order of reading",
              "sort entries before writing (tar --sort=name)"},
             kEntries,
             "hard-link",
             "",
             "",
             Ignorable::Order},
    CauseRow{{"hard-link-lost", "one side has a hard link where the other has a copy",
              "copy with cp -a or rsync -H, or break all links on purpose"},
             kEntries,
             "type",
             "",
             "hard link or copy"},
    CauseRow{{"sparse", "one side wrote holes as a sparse file", "write files dense (tar without -S)"},
             kEntries,
             "sparse",
             "",
             "",
             Ignorable::Dialect},
    CauseRow{{"devices", "device nodes differ; their numbers are the builder's", "keep devices out of images"},
             kEntries,
             "device",
             "",
             ""},
    CauseRow{{"readdir-order", "entries are in the order in which a file system, locale or thread gave them",
              "sort by bytes (LC_ALL=C, tar --sort=name)"},
             "entries",
             "order",
             "",
             "",
             Ignorable::Order},
    CauseRow{{"pax-key-order", "pax records are written in the order of a hash table",
              "write them sorted (the tool that wrote the tar must)"},
             kEntries,
             "pax-order",
             "",
             "",
             Ignorable::Order},
    CauseRow{{"pax-header-name", "names of pax headers hold the process ID or are chosen by the tool",
              "fix them (GNU tar: --pax-option=exthdr.name=%d/PaxHeaders/%f)"},
             kEntries,
             "pax-name",
             "",
             "",
             Ignorable::Dialect},
    CauseRow{{"pax-records", "other pax records are there (comments, creation times, device and inode numbers)",
              "write both with one tool, and fix its options"},
             kEntries,
             "pax*",
             "",
             "",
             Ignorable::Dialect},
    CauseRow{{"duplicate-entries", "a path is there several times; only the last counts",
              "write each path once (do not append to a tar)"},
             kEntries,
             "duplicate",
             "",
             ""},
    CauseRow{{"path-prefix", "paths begin with ./ or / on one side only",
              "name what is packed in one way (tar -C DIR . or tar -C DIR a b)"},
             kEntries,
             "prefix",
             "",
             "",
             Ignorable::Dialect},
    CauseRow{{"tar-dialect", "the tar was written by another tool or with other options (ustar, pax, GNU)",
              "use one tool and one format (GNU tar: --format=posix or ustar; Python: format=)"},
             kEntries,
             "dialect|header|mode-type-bits|padding",
             "",
             "",
             Ignorable::Dialect},
    CauseRow{{"end-padding", "the tar ends otherwise: blocks of zeros up to a record of 10 KiB, or other bytes",
              "write two blocks of zeros and no more (GNU tar: -b1), or fix the blocking factor"},
             "file|members|entries",
             "end|trailing",
             "",
             "",
             Ignorable::Dialect},

    // Compression
    CauseRow{{"gzip-header", "the gzip header differs (time, name, system or level), not what is compressed",
              "compress without name and time (gzip -n), with one tool"},
             "file|layers",
             "gzip *",
             "",
             "",
             Ignorable::Dialect},
    CauseRow{{"zstd-frame", "the zstd frame was begun otherwise: known size, checksum, window or threads",
              "pledge the size, fix the number of threads and the job size, or keep the blob"},
             "file|layers",
             "zstd *",
             "",
             "",
             Ignorable::Dialect},
    CauseRow{{"encoder", "the same tar was compressed by another library, version or level",
              "keep compressed blobs (cooper kit export), or store layers uncompressed; do not compress again"},
             "file|layers",
             "encoder",
             "",
             "",
             Ignorable::Dialect},
    CauseRow{{"compression-kind", "one side is compressed otherwise, or not at all",
              "use one form of layers (cooper --layers) for both"},
             "file|layers",
             "compression",
             "",
             "",
             Ignorable::Dialect},
    CauseRow{{"layer-count", "a step was added, removed, or made a layer of its own",
              "compare the Dockerfiles; the history in the config names the steps"},
             "layers",
             "layer",
             "",
             ""},

    // Documents and configs
    CauseRow{{"image-names", "the images are called otherwise", "give both the same name and tag"},
             "documents",
             "value|content",
             "*/RepoTags|*/RepoTags/*|*/annotations/org.opencontainers.image.ref.name|"
             "*/annotations/io.containerd.image.name|repositories",
             "",
             Ignorable::Names},
    CauseRow{{"json-spelling", "the same JSON is written with other spaces, escapes or order of members",
              "write it with one tool; do not reformat documents"},
             "documents|config",
             "spelling",
             "",
             "",
             Ignorable::Dialect},
    CauseRow{{"created", "documents carry the time of the build",
              "set SOURCE_DATE_EPOCH; no builder may take the clock's time"},
             "documents|config",
             "value",
             "/created|/history/*/created|*/annotations/org.opencontainers.image.created|"
             "/config/Labels/org.opencontainers.image.created|/config/Labels/*build-date*",
             "",
             Ignorable::Times},
    CauseRow{{"hostname", "the config holds the name or ID of the container that built it",
              "build with a fixed hostname, or with a builder that leaves it out (BuildKit)"},
             "config",
             "value",
             "/config/Hostname|/config/Domainname|/container|/container_config*|*/Parent",
             ""},
    CauseRow{{"builder-version", "the builder wrote its name or version down",
              "use the same builder, or turn its label off (buildah --identity-label=false)"},
             "documents|config",
             "value",
             "/docker_version|/config/Labels/io.buildah.version|*moby.buildkit*|/author|/history/*/author",
             ""},
    CauseRow{
        {"source-revision", "a label names the commit that was built", "build the same commit, or leave the label out"},
        "documents|config",
        "value",
        "*org.opencontainers.image.revision|*org.opencontainers.image.version|*vcs-ref",
        ""},
    CauseRow{{"history", "the steps of the build differ: another Dockerfile, build argument, or builder",
              "build from the same commit with the same arguments and the same builder"},
             "config",
             "value",
             "/history|/history/*",
             "",
             Ignorable::History},
    CauseRow{{"map-order", "labels or variables are the same in another order, or differ",
              "sort them; set them in one place"},
             "config",
             "value",
             "/config/Env*|/config/Labels*",
             ""},
    CauseRow{{"platform", "the images are for different platforms", "name the platform: --platform linux/amd64"},
             "documents|config",
             "value",
             "/architecture|/os|/variant|/os.*|*/platform/*",
             ""},
    CauseRow{{"config-setting", "the config says something else: another instruction, or another base image",
              "compare the Dockerfiles and the digests of the bases"},
             "config",
             "value",
             "",
             ""},
    CauseRow{{"media-types", "documents are of Docker's types on one side and of OCI's on the other",
              "write both with one tool, or convert one: cooper copy"},
             "documents",
             "value",
             "*/mediaType|/schemaVersion",
             ""},
    CauseRow{{"archive-tool", "the archives were written by different tools or versions: other members, names, order",
              "write both with one tool: cooper save"},
             "members|documents",
             "",
             "",
             ""},
};

bool fits_one(std::string_view pattern, std::string_view text) noexcept {
    std::size_t p = 0, t = 0;
    std::size_t star = std::string_view::npos, retry = 0;
    while (t < text.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            retry = t;
        } else if (p < pattern.size() && pattern[p] == text[t]) {
            ++p;
            ++t;
        } else if (star != std::string_view::npos) {
            p = star + 1;
            t = ++retry;
        } else {
            return false;
        }
    }
    return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

std::string_view without_prefix(std::string_view path, ExplainLevel level) noexcept {
    if (level == ExplainLevel::Documents || level == ExplainLevel::Config) {
        return path;
    }
    while (path.starts_with("./") || path.starts_with('/')) {
        path.remove_prefix(path.starts_with('/') ? 1 : 2);
    }
    while (path.ends_with('/')) {
        path.remove_suffix(1);
    }
    return path;
}

}  // namespace

bool fits(std::string_view patterns, std::string_view text) noexcept {
    if (patterns.empty()) {
        return true;
    }
    while (true) {
        const auto end = patterns.find('|');
        if (fits_one(patterns.substr(0, end), text)) {
            return true;
        }
        if (end == std::string_view::npos) {
            return false;
        }
        patterns.remove_prefix(end + 1);
    }
}

const CauseRow* find_cause(const Difference& difference) noexcept {
    const auto path = without_prefix(difference.path, difference.level);
    for (const auto& row : kTable) {
        if (fits(row.levels, to_string(difference.level)) && fits(row.fields, difference.field) &&
            fits(row.paths, path) && fits(row.kinds, difference.kind)) {
            return &row;
        }
    }
    return nullptr;
}

bool may_hold_secrets(std::string_view path) noexcept {
    constexpr std::string_view kSecret =
        "etc/shadow*|etc/gshadow*|*/.ssh/*|etc/ssh/ssh_host_*|*.pem|*.key|*.p12|*.pfx|*.jks|*.netrc|*.pgpass|"
        "*/.docker/*|*/.aws/*|*/.kube/*|*.npmrc|*.pypirc|*.git-credentials|*/.gnupg/*|etc/ssl/private/*|*.env|"
        "*/credentials|*/credentials.json|run/secrets/*|*/.config/gh/*|*/.cargo/credentials*";
    return fits(kSecret, without_prefix(path, ExplainLevel::Content));
}

std::vector<Cause> known_causes() {
    std::vector<Cause> causes;
    for (const auto& row : kTable) {
        causes.push_back(row.cause);
    }
    return causes;
}

}  // namespace cooper::delivery
