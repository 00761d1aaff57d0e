#include "cooper/build/flatten.hpp"

#include "compression_flags.hpp"
#include "edit_command.hpp"
#include "edit_values.hpp"

namespace cooper::cli {

namespace {

class FlattenCommand final : public EditCommand {
public:
    [[nodiscard]] VerbText text() const override {
        return {.name = "flatten",
                .summary = "make one layer of an image's layers",
                .usage = "SOURCE DESTINATION [FLAGS]",
                .about =
                    "The new layer is the file system that the layers make together: what upper layers deleted or "
                    "replaced is\n"
                    "gone. Owners, modes, times, hard links, extended attributes and devices stay, and so does the "
                    "config; the\n"
                    "history becomes one entry. The same layers give the same bytes. SOURCE and DESTINATION are places "
                    "as in\n"
                    "cooper help copy.",
                .examples = {{"what the engine built, as one layer",
                              "cooper flatten docker-daemon:app:dev docker-daemon:app:flat"},
                             {"all platforms, zstd",
                              "cooper flatten --all-platforms --compression zstd ghcr.io/acme/app:1 oci:./flat:1"}}};
    }

    void declare(CommandLine& line) override {
        line.heading("Layer");
        compression_.declare(line);
        declare_edit(line);
    }

    void run(const std::vector<std::string>& positionals) override {
        expect_positionals(positionals, 2, 2);
        const Places places = parse_places(positionals);
        compression_.check_for(places.to);
        options_.compression = compression_.layers();
        Session session(output, connection_);
        options_.edit_time = source_date_epoch(session.environment());
        options_.spool = session.spool();
        edit_images(session, places,
                    [&](const oci::Image& image) { return build::flatten(image, options_, session.run()); });
    }

private:
    build::FlattenOptions options_;
    CompressionFlags compression_;
};

}  // namespace

std::unique_ptr<Command> make_flatten_command() {
    return std::make_unique<FlattenCommand>();
}

}  // namespace cooper::cli
