# A Sensu handler as people wrote them before there was a mutator: posts what the
# check names, and puts the picture, or why there is none, into its message.
# It does not look at the status. Event on standard input, message on standard
# output; the service's address and a CA file as arguments, the token in TOKEN.
require "json"
require "net/http"
require "uri"

event = JSON.parse($stdin.read)
check = event["check"]
message = "ALERT - [#{event["client"]["name"]}/#{check["name"]}] #{check["output"]}"

if check["graph_image"]
  begin
    uri = URI.parse(ARGV[0])
    http = Net::HTTP.new(uri.host, uri.port)
    http.use_ssl = uri.scheme == "https"
    http.ca_file = ARGV[1] if ARGV[1]
    request = Net::HTTP::Post.new(
      uri.request_uri,
      "Content-Type" => "application/json;charset=utf-8",
      "Authorization" => "Bearer #{ENV["TOKEN"]}"
    )
    request.body = { "imageUrl" => check["graph_image"] }.to_json
    answer = http.request(request)
    message << "<br><img src=\"#{JSON.parse(answer.body)["pubImg"]}\">"
  rescue StandardError => e
    message << "<br>[graph_image fetch failed: #{e.message}]"
  end
end
puts message
