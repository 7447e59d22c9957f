// A till in C# that takes points, for .NET Framework 4.8 and mono, without packages.
//
//   MYNAKIT_AGENT_PIN=1234 agent -reader sim
//   csc /r:System.Web.Extensions.dll Till.cs        (or mcs -r:System.Web.Extensions.dll Till.cs)
//   Till.exe
using System;
using System.Collections.Generic;
using System.IO;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Web.Script.Serialization;
using Json = System.Collections.Generic.Dictionary<string, object>;

/// <summary>What the agent refused: a code, and what and do in Japanese and English.</summary>
class AgentException : Exception
{
    public readonly int Status;
    public readonly string Code;

    public AgentException(int status, Json error) : base(error["code"] + ": " + ((Json)error["what"])["ja"] + ((Json)error["do"])["ja"])
    {
        Status = status;
        Code = (string)error["code"];
    }
}

class Till
{
    const string Name = "あおばPOS (C#)";
    static readonly JavaScriptSerializer json = new JavaScriptSerializer { MaxJsonLength = 1 << 24 };

    readonly string url;
    readonly string token = "";

    /// <summary>The agent's folder, of this user alone.</summary>
    static string Folder()
    {
        string named = Environment.GetEnvironmentVariable("MYNAKIT_AGENT");
        if (named != null) return named;
        // %APPDATA%, or ~/.config
        return Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.ApplicationData), "mynakit", "agent");
    }

    /// <summary>keep is the file that this till keeps its token in.</summary>
    Till(string keep)
    {
        var found = json.Deserialize<Json>(File.ReadAllText(Path.Combine(Folder(), "agent.json")));
        url = (string)found["url"];
        string nonce = Guid.NewGuid().ToString(); // who took the port of an agent that was killed does not know the secret, nor gets it
        byte[] proof = new HMACSHA256(Encoding.UTF8.GetBytes((string)found["secret"])).ComputeHash(Encoding.UTF8.GetBytes(nonce));
        if ((string)Call("GET", "/v1/hello?nonce=" + nonce)["proof"] != Convert.ToBase64String(proof)) throw new Exception("another program has the agent's port");
        if (!File.Exists(keep)) // a new till: a token of its own, once
            File.WriteAllText(keep, (string)Call("POST", "/v1/clients", new Json { { "name", Name }, { "secret", found["secret"] } })["token"]);
        token = File.ReadAllText(keep);
    }

    Json Call(string method, string path, Json body = null, string key = null)
    {
        var r = (HttpWebRequest)WebRequest.Create(url + path);
        r.Method = method;
        r.Proxy = null;
        r.Timeout = r.ReadWriteTimeout = 40000; // a call for events waits 25 seconds
        r.ContentType = "application/json";
        if (token != "") r.Headers["Authorization"] = "Bearer " + token;
        if (key != null) r.Headers["Idempotency-Key"] = key;
        if (method == "POST")
        {
            byte[] text = Encoding.UTF8.GetBytes(json.Serialize(body ?? new Json()));
            using (Stream to = r.GetRequestStream()) to.Write(text, 0, text.Length);
        }
        try
        {
            using (var answer = r.GetResponse()) return Read(answer);
        }
        catch (WebException e)
        {
            if (e.Response == null) throw; // the answer is lost
            using (e.Response) throw new AgentException((int)((HttpWebResponse)e.Response).StatusCode, (Json)Read(e.Response)["error"]);
        }
    }

    static Json Read(WebResponse answer)
    {
        using (var text = new StreamReader(answer.GetResponseStream(), Encoding.UTF8)) return json.Deserialize<Json>(text.ReadToEnd());
    }

    /// <summary>Waits for a card and returns it.</summary>
    Json Tap()
    {
        for (string after = ""; ; )
        {
            var card = (Json)Call("GET", "/v1/card")["card"];
            if (card != null && (string)card["state"] != "reading") return card;
            after = (string)Call("GET", "/v1/events?wait=25&after=" + after)["last"];
        }
    }

    /// <summary>Has the holder type the PIN in the agent's window.</summary>
    Json Prove(Json card, string act, object account, int points)
    {
        var proof = (Json)Call("POST", "/v1/proofs", new Json { { "card", card["id"] }, { "act", act }, { "account", account }, { "points", points } })["proof"];
        for (string after = ""; (string)proof["state"] == "waiting_pin" || (string)proof["state"] == "checking"; )
        {
            after = (string)Call("GET", "/v1/events?wait=25&after=" + after)["last"];
            proof = (Json)Call("GET", "/v1/proofs/" + proof["id"])["proof"];
        }
        return proof;
    }

    /// <summary>Takes points. Whatever is lost on the way, the key finds it again.</summary>
    Json Use(string key, Json card, object account, int points, Json proof)
    {
        var body = new Json { { "card", card["id"] }, { "account", account }, { "points", points }, { "proof", proof["id"] } };
        for (int n = 0; n < 3; n++)
        {
            try { return (Json)Call("POST", "/v1/uses", body, key)["use"]; }
            catch (WebException) { } // the answer is lost: the same call again
        }
        // Before the till takes other payment, it cancels: only that is final.
        Call("POST", "/v1/requests/" + Uri.EscapeDataString(key) + "/cancel");
        throw new TimeoutException("the agent does not answer; the use is cancelled");
    }

    static void Main()
    {
        Console.OutputEncoding = new UTF8Encoding(false);
        var till = new Till(Environment.GetEnvironmentVariable("TILL_TOKEN") ?? "till.token");
        Console.WriteLine("カードをセットしてください。");
        Json card = till.Tap();
        if ((string)card["state"] != "known") throw new Exception("card: " + card["state"]);
        var balance = (Json)((System.Collections.ArrayList)card["balances"])[0];
        Console.WriteLine("MyKey ID {0} {1} {2}", card["mykey_id"], balance["name"], balance["points"]);

        Json proof = till.Prove(card, "use", balance["account"], 500);
        if ((string)proof["state"] != "proved") throw new Exception("proof: " + proof["state"]);
        string key = Guid.NewGuid().ToString(); // one for each press of the button, kept until the sale is closed
        till.Use(key, card, balance["account"], 500, proof); // its answer is lost here …
        var use = (Json)till.Call("GET", "/v1/requests/" + key)["use"]; // … and asked for by its key
        Console.WriteLine("used {0} balance {1}", use["points"], use["balance"]);

        var undone = (Json)till.Call("POST", "/v1/requests/" + key + "/cancel")["use"];
        Console.WriteLine("undone {0}", undone["refunded"]);
        var paper = (Json)till.Call("POST", "/v1/prints", new Json { { "use", use["id"] }, { "as", "escpos" } }, Guid.NewGuid().ToString())["print"];
        Console.WriteLine("printed {0}", Convert.FromBase64String((string)paper["data"]).Length > 0);
    }
}
