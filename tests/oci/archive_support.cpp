#include "oci/archive_support.hpp"

#include "cooper/base/compression.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

namespace cooper::testing {

namespace {

using namespace oci;

std::string quoted(const std::vector<std::string>& texts) {
    std::string list;
    for (const std::string& text : texts) {
        list += (list.empty() ? "\"" : ",\"") + text + "\"";
    }
    return "[" + list + "]";
}

std::string blob(const std::string& content) {
    return "blobs/sha256/" + hex_of(content);
}

std::vector<TarMember> with_dots(std::vector<TarMember> members) {
    for (TarMember& member : members) {
        member.entry.path = "./" + member.entry.path;
    }
    return members;
}

/// docker save up to 24: sorted names, a repeated layer is a symlink.
std::vector<TarMember> docker_20(const SampleImage& image, const std::function<std::string(const std::string&)>& pack) {
    const std::string a = "0a" + image.hex(0).substr(2);
    const std::string b = "0b" + image.hex(1).substr(2);
    const std::string c = "0c" + image.hex(0).substr(2);
    std::vector<TarMember> members;
    for (const auto& [id, layer] : {std::pair{a, 0}, std::pair{b, 1}, std::pair{c, 2}}) {
        members.push_back(tar_directory(id));
        members.push_back(tar_file(id + "/VERSION", "1.0"));
        members.push_back(tar_file(id + "/json", "{}"));
        members.push_back(layer == 2 ? tar_symlink(id + "/layer.tar", "../" + a + "/layer.tar")
                                     : tar_file(id + "/layer.tar", pack(image.tars[static_cast<std::size_t>(layer)])));
    }
    members.push_back(tar_file(image.config_hex() + ".json", image.config));
    members.push_back(tar_file("manifest.json", listing_of(image.config_hex() + ".json",
                                                           {a + "/layer.tar", b + "/layer.tar", c + "/layer.tar"})));
    members.push_back(tar_file("repositories", R"({"acme/app":{"1":")" + c + R"("}})"));
    return members;
}

std::string plain(const std::string& tar) {
    return tar;
}

/// docker save from 25 on: an OCI layout and a docker-archive in one; `pack` is the identity for the graph drivers.
ArchiveFlavour docker_25(const std::string& name, const SampleImage& image,
                         const std::function<std::string(const std::string&)>& pack, std::string_view layer_type,
                         bool nested) {
    std::vector<std::string> layers;
    std::vector<std::string> paths;
    for (const std::string& tar : image.tars) {
        layers.push_back(pack(tar));
        paths.push_back(blob(layers.back()));
    }
    const std::string manifest = manifest_of(image.config, layers, layer_type);
    const std::string names =
        R"(,"annotations":{"io.containerd.image.name":"docker.io/acme/app:1","org.opencontainers.image.ref.name":"1"})";
    std::vector<TarMember> members{tar_directory("blobs"),
                                   tar_directory("blobs/sha256"),
                                   tar_file(blob(image.config), image.config),
                                   tar_file(blob(layers[0]), layers[0]),
                                   tar_file(blob(layers[1]), layers[1]),
                                   tar_file(blob(manifest), manifest)};
    std::string entry = descriptor_text(media_type::kOciManifest, manifest, names);
    if (nested) {
        const std::string other = manifest_of("{}", {}, layer_type);  // of a platform that is not there
        const std::string index = index_of(
            {descriptor_text(media_type::kOciManifest, other), descriptor_text(media_type::kOciManifest, manifest)});
        members.push_back(tar_file(blob(index), index));
        entry = descriptor_text(media_type::kOciIndex, index, names);
    }
    members.push_back(tar_file("index.json", index_of({entry})));
    std::string listing = listing_of(blob(image.config), paths);
    listing.insert(listing.rfind('}'), R"(,"LayerSources":{"sha256:)" + image.hex(0) + R"(":{"size":1}})");
    members.push_back(tar_file("manifest.json", listing));
    members.push_back(tar_file("oci-layout", R"({"imageLayoutVersion":"1.0.0"})"));
    return {name, std::move(members), manifest};
}

/// skopeo and podman: layers by diff ID, and links for old readers.
std::vector<TarMember> skopeo(const SampleImage& image) {
    std::vector<TarMember> members;
    std::vector<std::string> paths;
    for (std::size_t i = 0; i < image.tars.size(); ++i) {
        const std::string path = image.hex(i) + ".tar";
        const std::string id = std::to_string(i) + image.hex(i).substr(1);
        if (std::find(paths.begin(), paths.end(), path) == paths.end()) {
            members.push_back(tar_file(path, image.tars[i]));
            members.back().entry.mode = 0444;
        }
        members.push_back(tar_file(id + "/VERSION", "1.0"));
        members.push_back(tar_symlink(id + "/layer.tar", "../" + path));
        paths.push_back(path);
    }
    members.push_back(tar_file(image.config_hex() + ".json", image.config));
    members.push_back(tar_file("repositories", "{}"));
    members.push_back(tar_file("manifest.json", listing_of(image.config_hex() + ".json", paths)));
    return members;
}

/// crane, ko and kaniko: layers as they were pulled; kaniko's repeats what images share.
std::vector<TarMember> crane(const SampleImage& image, bool repeats) {
    std::vector<TarMember> members{tar_file("sha256:" + image.config_hex(), image.config)};
    std::vector<std::string> paths;
    for (std::size_t i = 0; i < image.tars.size(); ++i) {
        const std::string layer = gzip_text(image.tars[i]);
        paths.push_back(hex_of(layer) + ".tar.gz");
        if (i < 2 || repeats) {
            members.push_back(tar_file(paths.back(), layer));
        }
    }
    members.push_back(tar_file("manifest.json", listing_of("sha256:" + image.config_hex(), paths)));
    return members;
}

std::vector<TarMember> hard_linked(const SampleImage& image) {
    std::vector<TarMember> members = docker_20(image, plain);
    const auto link = std::find_if(members.begin(), members.end(),
                                   [](const TarMember& member) { return member.entry.type == TarType::Symlink; });
    link->entry.type = TarType::HardLink;
    link->entry.link = link->entry.link.substr(3);  // from the root: without "../"
    return members;
}

std::vector<TarMember> tables_first(const SampleImage& image) {
    std::vector<TarMember> members = docker_20(image, plain);
    std::reverse(members.begin(), members.end());
    return members;
}

}  // namespace

TarMember tar_file(const std::string& path, const std::string& content) {
    TarEntry entry;
    entry.path = path;
    entry.size = content.size();
    return {entry, content};
}

TarMember tar_symlink(const std::string& path, const std::string& target) {
    TarEntry entry;
    entry.type = TarType::Symlink;
    entry.path = path;
    entry.link = target;
    return {entry, ""};
}

TarMember tar_hard_link(const std::string& path, const std::string& target) {
    TarMember member = tar_symlink(path, target);
    member.entry.type = TarType::HardLink;
    return member;
}

TarMember tar_directory(const std::string& path) {
    TarEntry entry;
    entry.type = TarType::Directory;
    entry.path = path + "/";
    entry.mode = 0755;
    return {entry, ""};
}

std::string tar_of(const std::vector<TarMember>& members) {
    std::string archive;
    for (const TarMember& member : members) {
        archive += tar_header(member.entry) + member.content;
        archive.append(tar_padding(member.content.size()), '\0');
    }
    return archive.append(2 * kTarBlock, '\0');
}

std::string hex_of(const std::string& content) {
    return std::string(sha256(content).hex());
}

std::string config_of(const std::vector<std::string>& tars, const std::string& extra) {
    std::vector<std::string> diff_ids;
    for (const std::string& tar : tars) {
        diff_ids.push_back(sha256(tar).text());
    }
    return R"({"architecture":"amd64","os":"linux",)" + extra + R"("rootfs":{"type":"layers","diff_ids":)" +
           quoted(diff_ids) + "}}";
}

SampleImage sample_image(unsigned seed) {
    SampleImage image;
    const std::string a = tar_of({tar_file("a", random_bytes(3000 + seed, seed))});
    const std::string b = tar_of({tar_directory("d"), tar_file("d/b", random_bytes(40, seed + 1))});
    image.tars = {a, b, a};
    image.config = config_of(image.tars);
    return image;
}

std::string listing_of(const std::string& config, const std::vector<std::string>& layers,
                       const std::string& repo_tags) {
    return R"([{"Config":")" + config + R"(","RepoTags":)" + repo_tags + R"(,"Layers":)" + quoted(layers) + "}]";
}

std::string descriptor_text(std::string_view media_type, const std::string& content, const std::string& extra) {
    return R"({"mediaType":")" + std::string(media_type) + R"(","digest":")" + sha256(content).text() + R"(","size":)" +
           std::to_string(content.size()) + extra + "}";
}

std::string manifest_of(const std::string& config, const std::vector<std::string>& layers,
                        std::string_view layer_type) {
    std::string list;
    for (const std::string& layer : layers) {
        list += (list.empty() ? "" : ", ") + descriptor_text(layer_type, layer);
    }
    // Spaces: what comes back must be these bytes.
    return R"({ "schemaVersion": 2, "mediaType": ")" + std::string(media_type::kOciManifest) + R"(", "config": )" +
           descriptor_text(media_type::kOciConfig, config) + R"(, "layers": [)" + list + "] }";
}

std::string index_of(const std::vector<std::string>& entries) {
    std::string list;
    for (const std::string& entry : entries) {
        list += (list.empty() ? "" : ",") + entry;
    }
    return R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[)" + list + "]}";
}

std::vector<ArchiveFlavour> archive_flavours(const SampleImage& image) {
    return {
        {"docker save 20.10", docker_20(image, plain), ""},
        docker_25("docker save 28, graph driver", image, plain, media_type::kOciLayer, false),
        docker_25("docker save 28, containerd store", image, gzip_text, media_type::kOciLayerGzip, true),
        docker_25("BuildKit", image, zstd_text, media_type::kOciLayerZstd, false),
        {"skopeo and podman", skopeo(image), ""},
        {"crane", crane(image, false), ""},
        {"kaniko", crane(image, true), ""},
        {"tar with ./", with_dots(docker_20(image, plain)), ""},
        {"hard links", hard_linked(image), ""},
        {"tables of contents first", tables_first(image), ""},
        {"gzip under a plain name", docker_20(image, gzip_text), ""},
        {"zstd under a plain name", docker_20(image, zstd_text), ""},
    };
}

std::string content_of(const Blobs& blobs, const Descriptor& blob) {
    return read_all(*verified(blobs.open(blob, 0, Run{}), blob.digest, blob.size, "blob"), 1 << 28, "blob");
}

void check_is_sample(const Image& image, const SampleImage& sample) {
    CHECK(image.config.raw == sample.config);
    REQUIRE(image.manifest.layers.size() == sample.tars.size());
    for (std::size_t i = 0; i < sample.tars.size(); ++i) {
        const Descriptor& layer = image.manifest.layers[i];
        const auto content =
            decompressed_by_magic(verified(image.blobs->open(layer, 0, Run{}), layer.digest, layer.size, "layer"));
        CHECK(read_all(*content, 1 << 28, "layer") == sample.tars[i]);
    }
    CHECK(content_of(*image.blobs, image.manifest.config) == sample.config);
}

std::filesystem::path ArchiveBench::write(const std::string& bytes, const std::string& name) const {
    write_file(directory_.path() / name, bytes);
    return directory_.path() / name;
}

ArchiveFile ArchiveBench::open(const std::string& bytes) const {
    return ArchiveFile::open(write(bytes), directory_.path(), Run{});
}

}  // namespace cooper::testing
