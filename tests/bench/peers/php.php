<?php
// The same work as a PHP service does it: curl and GD.
function fail(int $status, string $why): never
{
    http_response_code($status);
    exit($why);
}

$store = getenv('STORE');
$question = json_decode(file_get_contents('php://input'), true);
$curl = curl_init($question['imageUrl']);
curl_setopt_array($curl, [
    CURLOPT_RETURNTRANSFER => true,
    CURLOPT_TIMEOUT => 45,
    CURLOPT_HTTPHEADER => ['Authorization: ' . $_SERVER['HTTP_AUTHORIZATION']],
]);
$image = curl_exec($curl);
if ($image === false || curl_getinfo($curl, CURLINFO_RESPONSE_CODE) !== 200) {
    fail(502, 'Grafana sent no picture');
}
if (@imagecreatefromstring($image) === false) {
    fail(502, 'What came is no picture');
}
$day = gmdate('Y-m-d');
$name = hash('sha256', $image) . '.png';
@mkdir("$store/$day");
$part = "$store/$day/." . getmypid();
$file = fopen($part, 'w');
fwrite($file, $image);
fsync($file);
fclose($file);
rename($part, "$store/$day/$name");
// PHP cannot sync a folder: what it answers may not survive a power cut
header('Content-Type: application/json');
echo json_encode(['pubImg' => getenv('PUBLIC') . "/$day/$name"]);
