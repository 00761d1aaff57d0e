// docker-archives of others: any order of members, links, compressed layers.
#include "cooper/base/files.hpp"
#include "cooper/oci/archive_reader.hpp"

#include "fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const cooper::TempDirectory directory("fuzz-archive");
    const auto path = directory.path() / "image.tar";
    cooper::write_file(path, cooper::fuzz::text_of(data, size));
    cooper::fuzz::expect_only_errors([&] {
        const auto archived = cooper::oci::read_docker_archive(path, std::nullopt, cooper::Run());
        archived.image.check();
    });
    return 0;
}
